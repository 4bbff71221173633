#include "runtime/edge/watch_hub.hpp"

#include <algorithm>

namespace coppice {

kj::Promise<void> watch_hub::changed(const job_id& id) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiting_[id].push_back(kj::mv(paf.fulfiller));
    const std::lock_guard guard{lock_};
    if (watched_.insert(id).second) watchers_.fetch_add(1, std::memory_order_release);
    return paf.promise.attach(kj::defer([this, id] { forget_gone(id); }));
}

void watch_hub::forget_gone(const job_id& id) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    std::erase_if(found->second, [](auto& f) { return !f->isWaiting(); });
    if (!found->second.empty()) return;
    waiting_.erase(found);
    const std::lock_guard guard{lock_};
    if (watched_.erase(id) > 0) watchers_.fetch_sub(1, std::memory_order_release);
}

watch_hub::place watch_hub::newest() const {
    place made;
    for (const auto& each : newest_) made.push_back(each.load(std::memory_order_acquire));
    return made;
}

kj::Promise<void> watch_hub::event_after(const place& after, const std::vector<shard_id>& shards) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    std::erase_if(followers_, [](auto& f) { return !f->isWaiting(); });
    followers_.push_back(kj::mv(paf.fulfiller));
    followers_waiting_.store(true, std::memory_order_seq_cst);
    const bool is_there = std::ranges::any_of(shards, [&](shard_id shard) {
        return newest_[shard.value].load(std::memory_order_acquire) > after[shard.value];
    });
    if (is_there) wake_followers();
    return kj::mv(paf.promise);
}

void watch_hub::committed(shard_id shard, const batch_output& batch) {
    const bool news =
        newest_[shard.value].exchange(batch.newest_event, std::memory_order_seq_cst) != batch.newest_event;
    if (news && followers_waiting_.exchange(false, std::memory_order_seq_cst))
        inbox_->post([this] { wake_followers(); });
    if (watchers_.load(std::memory_order_acquire) == 0) return;
    std::vector<job_id> hit;
    {
        const std::lock_guard guard{lock_};
        for (const change_effect& change : batch.changes)
            if (watched_.erase(change.job) > 0) {
                watchers_.fetch_sub(1, std::memory_order_release);
                hit.push_back(change.job);
            }
    }
    if (!hit.empty()) inbox_->post([this, hit = std::move(hit)] { wake(hit); });
}

void watch_hub::wake(const std::vector<job_id>& ids) {
    for (const job_id& id : ids) {
        const auto found = waiting_.find(id);
        if (found == waiting_.end()) continue;
        auto of_job = std::move(found->second);
        waiting_.erase(found);
        for (auto& f : of_job) f->fulfill();
    }
}

void watch_hub::wake_followers() {
    auto woken = std::exchange(followers_, {});
    for (auto& f : woken) f->fulfill();
}

} // namespace coppice
