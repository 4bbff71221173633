#include "runtime/observability/readiness.hpp"

namespace coppice {

health_answer readiness::judge() {
    if (stopping_) return {false, "stopping"};
    if (!data_.has_room()) return {false, "storage_full: new work is refused until there is space again"};
    const std::lock_guard guard{looking_};
    const std::uint64_t commits = commits_.load(std::memory_order_relaxed);
    if (gate_->count() == 0 || commits != commits_seen_) waiting_since_.reset();
    commits_seen_ = commits;
    if (gate_->count() == 0) return {true, "ready"};
    const time now = clock_();
    if (!waiting_since_) waiting_since_ = now;
    if (now - *waiting_since_ < limits::commit_stall_max) return {true, "ready"};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - *waiting_since_).count();
    return {false, std::to_string(gate_->count()) + " proposals wait, and nothing was committed for " +
                       std::to_string(seconds) + " s"};
}

} // namespace coppice
