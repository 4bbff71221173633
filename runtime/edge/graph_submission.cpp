#include "runtime/edge/graph_submission.hpp"

#include <algorithm>
#include <unordered_map>

#include "actors/governance/bounded_json.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

failure invalid(std::string detail) { return {errc::invalid_argument, std::move(detail), 0}; }

} // namespace

std::string graph_submission::quoted(unsigned i) const {
    return quoted_excerpt(view_of(asked_.getJobs()[i].getName()));
}

std::optional<failure> graph_submission::build(shard_entries& entries, bool& evidence) {
    const auto asked = asked_.getJobs();
    if (asked.size() == 0 || asked.size() > limits::graph_jobs_max)
        return invalid("a graph has 1 to " + std::to_string(limits::graph_jobs_max) + " jobs, not " +
                       std::to_string(asked.size()));
    if (asked_.getIdempotencyKey().size() > limits::idempotency_key_size_max)
        return invalid("an idempotency key has at most 255 bytes");
    if (auto no = link()) return no;
    if (auto no = find_callback()) return no;
    if (auto no = sort()) return no;
    if (auto no = check_jobs(entries, evidence)) return no;
    auto command = entries.next(jobs_.front().shard).initSubmitGraph();
    command.setHasCallback(callback_.has_value());
    auto jobs = command.initJobs(asked.size());
    for (unsigned at = 0; at < order_.size(); ++at) {
        const unsigned i = order_[at];
        std::vector<job_id> after;
        for (const auto id : asked[i].getJob().getAfter()) after.push_back(read_id(id));
        for (const unsigned parent : parents_[i]) after.push_back(ids_[parent]);
        builder_.fill(asked[i].getJob(), jobs_[i], after, jobs[at]);
    }
    if (asked_.getIdempotencyKey().size() > 0) {
        const hash128 body = body_hash(jobs_);
        jobs[0].setIdempotencyKey(asked_.getIdempotencyKey());
        jobs[0].setBodyHigh(body.high);
        jobs[0].setBodyLow(body.low);
    }
    return std::nullopt;
}

// Names to places; how many edges there are.
std::optional<failure> graph_submission::link() {
    const auto asked = asked_.getJobs();
    std::unordered_map<std::string_view, unsigned> places;
    std::size_t edges = 0;
    for (unsigned i = 0; i < asked.size(); ++i) {
        const std::string_view name = view_of(asked[i].getName());
        if (name.empty() || name.size() > limits::name_size_max)
            return invalid("job " + std::to_string(i + 1) + " of the graph: a name has 1 to 63 bytes");
        if (!places.emplace(name, i).second) return invalid("the graph names " + quoted(i) + " twice");
        edges += std::size_t{asked[i].getAfter().size()} + asked[i].getJob().getAfter().size();
        if (asked[i].getAfter().size() > limits::parents_max || edges > limits::graph_edges_max)
            return invalid("a job's `after` names at most " + std::to_string(limits::parents_max) +
                           " jobs, and those of a graph " + std::to_string(limits::graph_edges_max) + " together");
        if (asked[i].getJob().getIdempotencyKey().size() > 0)
            return invalid("job " + quoted(i) + ": a job of a graph has no key of its own; the graph may have one");
    }
    parents_.resize(asked.size());
    for (unsigned i = 0; i < asked.size(); ++i)
        for (const auto each : asked[i].getAfter()) {
            const auto parent = places.find(view_of(each));
            if (parent == places.end())
                return failure{errc::dependency_unknown,
                               "job " + quoted(i) + " is to run after " + quoted_excerpt(view_of(each)) +
                                   ", which is no job of this graph",
                               0};
            if (std::ranges::find(parents_[i], parent->second) == parents_[i].end())
                parents_[i].push_back(parent->second);
        }
    return std::nullopt;
}

// The job that waits for all the others, if there is one.
std::optional<failure> graph_submission::find_callback() {
    const auto asked = asked_.getJobs();
    for (unsigned i = 0; i < asked.size(); ++i) {
        if (!asked[i].getCallback()) continue;
        if (callback_)
            return invalid("job " + quoted(i) + " is to be the graph's callback, and so is " + quoted(*callback_) +
                           "; a graph has one");
        if (!parents_[i].empty() || asked[i].getJob().getAfter().size() > 0)
            return invalid("job " + quoted(i) +
                           " is the graph's callback, which waits for all; it names none in `after`");
        if (asked.size() == 1) return invalid("a graph's callback waits for its other jobs, and there are none");
        callback_ = i;
    }
    for (unsigned i = 0; callback_ && i < asked.size(); ++i)
        if (std::ranges::find(parents_[i], *callback_) != parents_[i].end())
            return invalid("job " + quoted(i) + " is to run after " + quoted(*callback_) +
                           ", which is the graph's callback and waits for it");
    return std::nullopt;
}

// Kahn's algorithm (CACM 1962): in each step the jobs whose parents are all placed, in the order in which they were
// named.
std::optional<failure> graph_submission::sort() {
    std::vector<std::vector<unsigned>> children(parents_.size());
    std::vector<std::size_t> missing(parents_.size());
    for (unsigned i = 0; i < parents_.size(); ++i) {
        missing[i] = parents_[i].size();
        for (const unsigned parent : parents_[i]) children[parent].push_back(i);
    }
    for (unsigned i = 0; i < parents_.size(); ++i)
        if (missing[i] == 0 && i != callback_) order_.push_back(i);
    for (std::size_t at = 0; at < order_.size(); ++at)
        for (const unsigned child : children[order_[at]])
            if (--missing[child] == 0) order_.push_back(child);
    // In its place, which is the last; where there is a cycle, it is in none.
    if (callback_) order_.push_back(*callback_);
    if (order_.size() == parents_.size()) return std::nullopt;
    return cycle();
}

// From any job that was not placed, back to parents that were not placed either, until one comes again.
failure graph_submission::cycle() const {
    std::vector<bool> placed(parents_.size());
    for (const unsigned i : order_) placed[i] = true;
    auto at = static_cast<unsigned>(std::ranges::find(placed, false) - placed.begin());
    std::vector<unsigned> walked;
    while (std::ranges::find(walked, at) == walked.end()) {
        walked.push_back(at);
        at = *std::ranges::find_if(parents_[at], [&](unsigned parent) { return !placed[parent]; });
    }
    walked.erase(walked.begin(), std::ranges::find(walked, at));
    constexpr std::size_t named_max = 8;
    std::string text = quoted(at);
    for (std::size_t i = 1; i < walked.size() && i < named_max; ++i) text += " after " + quoted(walked[i]);
    if (walked.size() > named_max) text += " after " + std::to_string(walked.size() - named_max) + " more";
    return invalid("the graph has a cycle: " + text + " after " + quoted(at));
}

std::optional<failure> graph_submission::check_jobs(shard_entries& entries, bool& evidence) {
    const auto asked = asked_.getJobs();
    jobs_.resize(asked.size());
    ids_.resize(asked.size());
    for (const unsigned i : order_) { // so that ids grow with the order in which the jobs are written
        auto known = builder_.check(asked[i].getJob());
        if (!known)
            return failure{known.error().code, "job " + quoted(i) + ": " + known.error().detail,
                           known.error().retry_after_ms};
        jobs_[i] = std::move(*known);
        ids_[i] = jobs_[i].id;
        if (jobs_[i].tenant != jobs_[order_.front()].tenant)
            return invalid("job " + quoted(i) + " is of another tenant; a graph is of one");
        if (!jobs_[i].bad_payload) continue;
        evidence = true;
        builder_.fill_refusal(jobs_[i], entries.next(jobs_[i].shard).initRefuse());
        return failure{jobs_[i].bad_payload->code, "job " + quoted(i) + ": " + jobs_[i].bad_payload->detail, 0};
    }
    return std::nullopt;
}

// Of everything that makes a graph the same one.
hash128 graph_submission::body_hash(const std::vector<submission_builder::checked>& jobs) const {
    std::string body;
    const auto asked = asked_.getJobs();
    for (unsigned i = 0; i < asked.size(); ++i) {
        const auto spec = asked[i].getJob();
        body += std::string{view_of(asked[i].getName())} + '\0' + std::string{view_of(spec.getType())} + '\0' +
                canonical_json(jobs[i].payload) + '\0' + std::to_string(spec.getPriority()) + ' ' +
                std::to_string(spec.getDelayMs()) + ' ' + std::to_string(spec.getNotBeforeUs()) +
                (spec.getRunAnyway() ? " anyway" : "") + (asked[i].getCallback() ? " callback" : "");
        for (const unsigned parent : parents_[i]) body += ' ' + std::to_string(parent);
        for (const auto id : spec.getAfter()) body += ' ' + to_string(read_id(id));
        body += '\n';
    }
    return sha256_head(body);
}

} // namespace coppice
