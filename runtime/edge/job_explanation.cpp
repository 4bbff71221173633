#include "runtime/edge/job_explanation.hpp"

#include <algorithm>

#include "actors/governance/payload_key.hpp"
#include "actors/jobs/job_state.hpp"
#include "persistence/record.hpp"
#include "runtime/edge/job_views.hpp"
#include "schema/limits.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

struct tally {
    std::uint64_t count = 0;
    bool cut = false;
    std::string text() const { return (cut ? "at least " : "") + std::to_string(count); }
};

class explanation {
  public:
    explanation(read_tables& t, const catalog& declared, const job_id& id, rec::JobRow::Reader row,
                const start_valve::setting& starts)
        : t_(t), starts_(starts), id_(id), row_(row), tenant_(declared.tenant(id.tenant())),
          type_(declared.type(type_id{row.getType()})) {}

    std::vector<std::string> reasons() {
        switch (row_.getState()) {
        case job_state::BLOCKED:
            blocked();
            break;
        case job_state::SCHEDULED:
            say("waits until " + to_rfc3339(from_us(row_.getDueUs())) +
                (row_.getAttempt() > 0 ? ", the pause after attempt " + std::to_string(row_.getAttempt())
                                       : ", when it may start first"));
            break;
        case job_state::QUEUED:
            queued();
            break;
        case job_state::RUNNING:
            say("runs: attempt " + std::to_string(row_.getAttempt()) + " since " +
                to_rfc3339(from_us(row_.getStartedUs())) +
                (row_.getCancelRequested() ? ", and was told to stop" : ""));
            break;
        default:
            ended();
        }
        return std::move(said_);
    }

  private:
    void say(std::string sentence) { said_.push_back(std::move(sentence)); }

    void ended() {
        std::string text =
            "is " + std::string{to_string(row_.getState())} + " since " + to_rfc3339(from_us(row_.getFinishedUs()));
        if (row_.getState() != job_state::SUCCEEDED) text += ": " + std::string{view(row_.getErrorMessage())};
        say(std::move(text));
    }

    void callback_blocked() {
        record_reader<rec::BatchRow> reader;
        const auto stored = t_.get(table::batches, keys::job(read_id(row_.getGraph())));
        if (!stored) return;
        const std::uint32_t pending = reader.read(*stored).getPending();
        say("waits for the " + std::to_string(pending) + (pending == 1 ? " job" : " jobs") +
            " of its graph that have not ended; starts however they end");
    }

    void blocked() {
        if (row_.getCallback()) return callback_blocked();
        constexpr std::size_t named_max = 10;
        std::size_t pending = 0;
        record_reader<rec::JobRow> reader;
        for (const auto each : row_.getAfter()) {
            const job_id parent = read_id(each);
            if (!t_.get(table::dependents, keys::dependent(parent, id_)) || ++pending > named_max) continue;
            const auto stored = t_.get(table::jobs, keys::job(parent));
            say("waits for job " + to_string(parent) +
                (stored ? ", which is " + std::string{to_string(reader.read(*stored).getState())} : ""));
        }
        if (pending > named_max) say("waits for " + std::to_string(pending - named_max) + " more jobs");
        if (row_.getRunAnyway()) say("starts however those end");
    }

    void queued() {
        if (tenant_ == nullptr || type_ == nullptr) return say("its tenant or type is not declared here");
        const tenant_spec& t = tenant_->spec;
        const job_type_spec& y = type_->spec;
        if (starts_.closed)
            say("this node is paused, and starts nothing of the shards that it leads: coppice node release");
        if (t.paused) say("tenant \"" + t.name + "\" is paused");
        if (y.paused) say("job type \"" + y.name + "\" is paused");
        const tally of_tenant = running([](const job_id&, rec::RunningRow::Reader) { return true; });
        if (of_tenant.count >= t.running_max && t.running_max > 0)
            say("tenant \"" + t.name + "\" runs " + of_tenant.text() + " jobs; its running_max is " +
                std::to_string(t.running_max));
        if (y.running_max > 0) type_full(y);
        if (!y.concurrency.by.empty()) key_full(y.concurrency);
        if (said_.empty())
            say("no bound holds it: it waits for its turn and " +
                (y.slots == 1 ? "a free slot" : std::to_string(y.slots) + " free slots at once") +
                " of a worker for \"" + y.name + "\"" + labels_wanted(y) +
                (y.workers.sticky == stickiness::hard
                     ? "; while the worker takes work that ran the last job with its \"" + y.concurrency.by +
                           "\", of that one alone"
                     : ""));
        const tally before = ahead();
        if (before.count > 0) say(before.text() + " jobs of its tenant and type are before it in the queue");
        if (starts_.per_second > 0)
            say("this node starts at most " + std::to_string(starts_.per_second) + " jobs a second");
        if (t.rate.bounds()) say("tenant \"" + t.name + "\" starts at most " + words(t.rate));
        if (y.concurrency.rate.bounds() && !y.concurrency.by.empty())
            say("jobs with its \"" + y.concurrency.by + "\" start at most " + words(y.concurrency.rate));
    }

    static std::string labels_wanted(const job_type_spec& y) {
        std::string text;
        for (const std::string& label : y.workers.require) text += (text.empty() ? " with " : ", ") + label;
        return text;
    }

    void type_full(const job_type_spec& y) {
        std::uint64_t count = 0;
        record_reader<rec::CountersRow> reader;
        const row_key prefix = keys::shard(id_.shard());
        for (auto r = t_.seek(table::counters, prefix); r && has_prefix(r->key, prefix);
             r = t_.next(table::counters)) {
            key_reader k{r->key.subspan(6)};
            if (k.u32() == type_->id.value) count += reader.read(r->value).getRunning();
        }
        if (count >= y.running_max)
            say("jobs of type \"" + y.name + "\" run " + std::to_string(count) + " times; its running_max is " +
                std::to_string(y.running_max));
    }

    void key_full(const concurrency_spec& c) {
        if (c.running_max == 0) return;
        const std::uint64_t key = stored_payload_key(text_of(payload_of(t_, id_, row_)), c.by);
        const tally alike = running([&](const job_id&, rec::RunningRow::Reader other) {
            return other.getType() == row_.getType() && other.getLimitKey() == key;
        });
        if (alike.count >= c.running_max)
            say("jobs with its \"" + c.by + "\" run " + alike.text() + " times; concurrency.running_max is " +
                std::to_string(c.running_max));
    }

    // Of the job's tenant.
    template <class Matches>
    tally running(Matches&& matches) {
        tally found;
        std::size_t looked = 0;
        record_reader<rec::RunningRow> reader;
        const row_key prefix = keys::tenant(id_.shard(), id_.tenant());
        for (auto r = t_.seek(table::running, prefix); r && has_prefix(r->key, prefix);
             r = t_.next(table::running)) {
            if (++looked > limits::list_scan_max) {
                found.cut = true;
                break;
            }
            key_reader k{r->key.subspan(6)};
            if (matches(k.id(), reader.read(r->value))) ++found.count;
        }
        return found;
    }

    tally ahead() {
        tally found;
        const std::uint64_t rank = keys::rank(from_us(row_.getReadyUs()), row_.getPriority());
        const row_key prefix = keys::queue_of(id_.shard(), id_.tenant(), type_id{row_.getType()});
        const row_key own = keys::queue(id_, type_id{row_.getType()}, rank);
        for (auto r = t_.seek(table::queue, prefix); r && has_prefix(r->key, prefix); r = t_.next(table::queue)) {
            if (std::ranges::equal(r->key, own.view())) break;
            if (++found.count < limits::list_scan_max) continue;
            found.cut = true;
            break;
        }
        return found;
    }

    static std::string words(const start_rate& rate) {
        return std::to_string(rate.starts) + " in " + format_duration(rate.per) +
               (rate.burst > 1 ? ", " + std::to_string(rate.burst) + " of them at once" : "");
    }

    read_tables& t_;
    const start_valve::setting starts_;
    const job_id id_;
    const rec::JobRow::Reader row_;
    const declared_tenant* tenant_;
    const declared_type* type_;
    std::vector<std::string> said_;
};

} // namespace

std::optional<std::vector<std::string>> explain_job(read_tables& t, const catalog& declared, const job_id& id,
                                                    const start_valve::setting& starts) {
    const auto stored = t.get(table::jobs, keys::job(id));
    if (!stored) return std::nullopt;
    record_reader<rec::JobRow> reader;
    return explanation{t, declared, id, reader.read(*stored), starts}.reasons();
}

} // namespace coppice
