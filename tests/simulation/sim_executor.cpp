#include "tests/simulation/sim_executor.hpp"

#include "tests/actors/jobs/machine_ops.hpp"

namespace coppice::testing {
namespace {

constexpr double hangs_at_all = 0.03;
constexpr double runs_long = 0.1;
constexpr double fails = 0.2;

} // namespace

void sim_executor::assigned(const assign& m) {
    for (const std::uint32_t index : m.indexes) {
        const attempt_ref ref = m.batch->starts.at(index).work.ref;
        if (!handed_out_.insert(ref).second)
            found_.add("attempt " + std::to_string(ref.attempt) + " of " + to_string(ref.job) +
                       " was handed out twice");
        run& r = held_[ref];
        r.hangs = c_.chance(hangs_at_all);
        if (r.hangs) continue;
        const bool well = !c_.chance(fails);
        c_.after(c_.between(c_.chance(runs_long) ? microsecond_range{200'000, 1'500'000}
                                                 : microsecond_range{500, 100'000}),
                 [this, ref, well] { end(ref, well); });
    }
}

void sim_executor::cancelled(const attempt_ref& ref) {
    const auto found = held_.find(ref);
    if (found == held_.end() || found->second.hangs || found->second.ended) return;
    found->second.ended = outcome::CANCELLED;
    c_.after(c_.between({500, 20'000}), [this, ref] { report(ref); });
}

std::vector<attempt_ref> sim_executor::holds(shard_id shard) const {
    std::vector<attempt_ref> refs;
    for (const auto& [ref, r] : held_)
        if (ref.job.shard() == shard) refs.push_back(ref);
    return refs;
}

void sim_executor::end(const attempt_ref& ref, bool well) {
    const auto found = held_.find(ref);
    if (!lives() || found == held_.end() || found->second.ended) return;
    found->second.ended = well ? outcome::SUCCEEDED : outcome::FAILED;
    report(ref);
}

// Until it is answered, by whoever leads at the time.
void sim_executor::report(const attempt_ref& ref) {
    const auto found = held_.find(ref);
    if (!lives() || found == held_.end()) return;
    const report_op op{.job = ref.job,
                       .attempt = ref.attempt,
                       .what = *found->second.ended,
                       .retry_after_ms = 10,
                       .worker = worker_};
    const auto answered = [this, ref](std::span<command_result> results) {
        if (!lives()) return;
        if (!describe(results.front().code).retryable && results.front().code != errc::unknown_outcome) {
            held_.erase(ref);
            return;
        }
        c_.after(c_.between({100'000, 300'000}), [this, ref] { report(ref); });
    };
    c_.propose(node_, std::make_shared<proposal>(entry_of(std::vector<testing::op>{op}), 1, false, answered,
                                                 ref.job.shard()));
}

} // namespace coppice::testing
