#include "runtime/cli/end_tracker.hpp"

namespace coppice::cli {

std::uint64_t end_tracker::sending() {
    under_way_.insert(++tickets_);
    return tickets_;
}

void end_tracker::settle(bool succeeded) {
    ++ended_;
    if (!succeeded) ++failed_;
}

void end_tracker::answered(std::uint64_t ticket, std::span<const job_id> accepted) {
    under_way_.erase(ticket);
    for (const job_id& id : accepted) {
        // The same job twice: two lines with one idempotency key.
        if (!awaited_.insert(id).second) continue;
        ++accepted_;
        if (const auto early = early_.find(id); early != early_.end()) {
            awaited_.erase(id);
            settle(early->second);
        }
    }
    const std::uint64_t oldest = under_way_.empty() ? tickets_ + 1 : *under_way_.begin();
    while (!early_order_.empty() && early_order_.front().newest_ticket < oldest) {
        early_.erase(early_order_.front().id);
        early_order_.pop_front();
    }
}

void end_tracker::ended(const job_id& id, bool succeeded) {
    if (awaited_.erase(id) > 0) return settle(succeeded);
    if (under_way_.empty()) return;
    if (early_.try_emplace(id, succeeded).second) early_order_.push_back({tickets_, id});
}

} // namespace coppice::cli
