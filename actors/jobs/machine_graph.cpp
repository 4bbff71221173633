// Graphs: jobs that depend on each other, taken all together or not at all. All are looked at before the first is
// written, and each names only jobs before it, so what is written first is there when it is named.
#include <set>
#include <tuple>
#include <unordered_map>

#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {

void shard_machine::submit_graph(cmd::SubmitGraph::Reader g, command_result& result) {
    const auto jobs = g.getJobs();
    if (jobs.size() == 0 || jobs.size() > limits::graph_jobs_max)
        return set_answer(result, errc::invalid_argument,
                          "a graph has 1 to " + std::to_string(limits::graph_jobs_max) + " jobs, not " +
                              std::to_string(jobs.size()));
    result.job = read_id(jobs[0].getJob());
    tenant_entry* t = tenant_of(jobs[0], result);
    if (t == nullptr || answer_known_key(jobs[0], t->id, result) || answer_same_graph(g, result)) return;
    if (!admit_graph(g, *t, result)) return;
    book_.accepted(*t);
    write_graph(g, *t);
    remember_key(jobs[0], t->id);
}

// One that was committed before, and whose answer was lost on the way.
bool shard_machine::answer_same_graph(cmd::SubmitGraph::Reader g, command_result& result) {
    const auto stored = t_->get(table::graphs, keys::job(result.job));
    if (!stored) return answer_taken(result.job, result);
    record_reader<rec::GraphRow> reader;
    const auto known = reader.read(*stored).getJobs();
    bool same = known.size() == g.getJobs().size();
    for (unsigned i = 0; same && i < known.size(); ++i)
        same = read_id(known[i]) == read_id(g.getJobs()[i].getJob());
    if (!same) return answer_taken(result.job, result);
    result.existing = true;
    return true;
}

// Whether the id is another job's; of one that was refused before, the refusal is said again.
bool shard_machine::answer_taken(const job_id& id, command_result& result) {
    const auto stored = t_->get(table::jobs, keys::job(id));
    if (!stored) return false;
    const auto row = read_job_.read(*stored);
    result.job = id;
    if (row.getState() == job_state::REJECTED)
        set_answer(result, errc_from_number(row.getErrorCode()), std::string{view(row.getErrorMessage())});
    else
        set_answer(result, errc::already_exists, "job id is taken");
    return true;
}

bool shard_machine::admit_graph(cmd::SubmitGraph::Reader g, tenant_entry& t, command_result& result) {
    const auto jobs = g.getJobs();
    if (g.getHasCallback() && (jobs.size() < 2 || jobs[jobs.size() - 1].getAfter().size() > 0)) {
        set_answer(result, errc::invalid_argument,
                   "a graph's callback comes after all its other jobs, and no others");
        return false;
    }
    ids before;
    std::unordered_map<job_id, std::size_t> children;
    std::size_t edges = 0;
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> likes;
    for (unsigned i = 0; i < jobs.size(); ++i) {
        bool taken = admit_member(jobs[i], t, before, result);
        for (const auto parent : jobs[i].getAfter()) {
            const bool many =
                before.contains(read_id(parent)) && ++children[read_id(parent)] > limits::children_max;
            if (!taken || (!many && ++edges <= limits::graph_edges_max)) continue;
            taken = false;
            set_answer(result, errc::invalid_argument,
                       many ? "more than " + std::to_string(limits::children_max) + " jobs would wait for one"
                            : "a graph's `after` name at most " + std::to_string(limits::graph_edges_max) +
                                  " jobs together");
        }
        if (taken && i > 0 && jobs[i].getIdempotencyKey().size() > 0) {
            taken = false;
            set_answer(result, errc::invalid_argument, "only a graph's first job has a key, which is the graph's");
        }
        if (taken && jobs[i].getUniqueLow() != 0 &&
            !likes.emplace(jobs[i].getType(), jobs[i].getUniqueHigh(), jobs[i].getUniqueLow()).second) {
            taken = false;
            set_answer(result, errc::conflict, "it is to be unique, and one before it in the graph is like it");
        }
        if (!taken) {
            result.detail = "job " + std::to_string(i + 1) + " of the graph: " + result.detail;
            return false;
        }
        before.insert(read_id(jobs[i].getJob()));
    }
    if (t.waiting + jobs.size() <= t.spec.queued_max) return true;
    refuse_full(jobs[0], t, *book_.type(type_id{jobs[0].getType()}), result);
    return false;
}

bool shard_machine::admit_member(cmd::Submit::Reader s, tenant_entry& t, const ids& before,
                                 command_result& result) {
    const job_id id = read_id(s.getJob());
    if (id.tenant() != t.id || id.shard() != shard_ || before.contains(id)) {
        set_answer(result, errc::invalid_argument, "a graph's jobs are of one tenant, and each is there once");
        return false;
    }
    type_entry* y = current_type(s, result);
    if (y == nullptr || answer_taken(id, result)) return false;
    if (const auto why = refusal(s, t, *y)) {
        result.job = id;
        write_rejected(id, t, *y, view(s.getSubmitter()), *why, result);
        return false;
    }
    if (s.hasRedrives()) {
        set_answer(result, errc::invalid_argument, "a graph's jobs are new ones; redrive jobs by themselves");
        return false;
    }
    if (const auto like = like_job(s, *y)) {
        set_answer(result, errc::conflict, "it is to be unique, and job " + to_string(*like) + " is like it");
        return false;
    }
    return is_sound(s, before, result);
}

// How many jobs of the graph wait for each of them; nothing when any waits for a job that was there before. Where
// none does, no parent has ended yet, and each row is written once, with its children counted.
std::optional<std::unordered_map<job_id, std::uint32_t>> shard_machine::inner_children(cmd::SubmitGraph::Reader g) {
    std::unordered_map<job_id, std::uint32_t> children;
    for (const auto job : g.getJobs()) {
        for (const job_id& parent : distinct_parents(job)) {
            const auto found = children.find(parent);
            if (found == children.end()) return std::nullopt;
            ++found->second;
        }
        children.emplace(read_id(job.getJob()), 0);
    }
    return children;
}

void shard_machine::write_graph(cmd::SubmitGraph::Reader g, tenant_entry& t) {
    const auto jobs = g.getJobs();
    const auto children = inner_children(g);
    const job_id graph = read_id(jobs[0].getJob());
    auto all = graph_row_.init().initJobs(jobs.size());
    for (unsigned i = 0; i < jobs.size(); ++i) write_id(read_id(jobs[i].getJob()), all[i]);
    graph_row_.put(*t_, table::graphs, keys::job(graph));
    const unsigned counted = g.getHasCallback() ? jobs.size() - 1 : 0;
    if (counted > 0) open_batch(graph, read_id(jobs[counted].getJob()), counted);
    for (unsigned i = 0; i < jobs.size(); ++i) {
        const auto part = counted == 0   ? graph_part::job
                          : i == counted ? graph_part::callback
                                         : graph_part::counted_job;
        write_job(jobs[i], t, *book_.type(type_id{jobs[i].getType()}), graph, part,
                  children ? std::optional{children->at(read_id(jobs[i].getJob()))} : std::nullopt);
    }
}

} // namespace coppice
