#include "cluster/routing/executor_desk.hpp"

namespace coppice {

void executor_desk::came(const executor_up& m) {
    executors_.erase(m.worker);
    executors_.try_emplace(m.worker, entry{slot_exchange{shards_.size(), m.worker.value}});
    for (const auto& shard : shards_) shard->executor_came(m);
}

// Said again by an executor whose silence is over: its shares stay as they are.
void executor_desk::offered(const worker_attached& m) {
    const auto found = executors_.find(m.worker);
    if (found == executors_.end()) return;
    entry& e = found->second;
    // More comes when its attempts are adopted. One shard alone knows what it uses.
    if (m.slots == 0) e.is_busy = shards_.size() > 1;
    e.slots.offer(m.slots, e.is_busy);
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        worker_attached part = m;
        const slot_exchange::grant share = e.slots.newest(i);
        part.slots = share.slots;
        part.grant = share.number;
        part.total = m.slots;
        part.shard = {static_cast<std::uint16_t>(i)};
        shards_[i]->offered(part);
    }
}

void executor_desk::draining(worker_id worker) {
    for (const auto& shard : shards_) shard->draining(worker);
}

void executor_desk::detached(worker_id worker) {
    executors_.erase(worker);
    for (const auto& shard : shards_) shard->detached(worker);
}

void executor_desk::went(const executor_down& m) {
    executors_.erase(m.worker);
    for (const auto& shard : shards_) shard->executor_went(m);
}

void executor_desk::answered(shard_id shard, const seen_slots& seen) {
    const auto found = executors_.find(seen.worker);
    if (found == executors_.end() || shards_.size() == 1) return;
    carry_out(seen.worker, found->second.slots.answered(
                               shard.value, {seen.grant, seen.may_use, seen.needs, seen.large_starts}, steady_()));
}

void executor_desk::look_again() {
    if (shards_.size() == 1) return;
    for (auto& [worker, e] : executors_) {
        carry_out(worker, e.slots.unanswered());
        carry_out(worker, e.slots.rest(steady_()));
    }
}

void executor_desk::carry_out(worker_id worker, const std::vector<slot_exchange::grant>& grants) {
    for (const slot_exchange::grant& each : grants) shards_[each.shard]->resized(worker, each.slots, each.number);
}

} // namespace coppice
