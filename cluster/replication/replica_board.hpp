// What the replicas of this node are at, for whoever must know without asking the journal: a read takes two loads.
// Written by the journal, read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <map>

#include "cluster/replication/replica_machine.hpp"

namespace coppice {

struct replica_face {
    std::atomic<std::int64_t> lease_until_us{0}; // by the node's steady clock; 0: this node does not serve
    std::atomic<std::uint64_t> applied{0};
    std::atomic<std::uint64_t> last{0};
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<std::uint32_t> leader{0}; // node; 0: not known
    std::atomic<replica_role> role{replica_role::out};
    std::atomic<std::uint32_t> in_sync{0};
    std::atomic<std::int64_t> moved_at_us{0}; // when `applied` grew last, by the steady clock
};

class replica_board {
  public:
    explicit replica_board(const std::vector<shard_id>& shards) {
        for (const shard_id shard : shards) faces_[shard];
    }
    // Null for a shard that is not in the cluster.
    replica_face* face(shard_id shard) {
        const auto found = faces_.find(shard);
        return found == faces_.end() ? nullptr : &found->second;
    }
    const std::map<shard_id, replica_face>& faces() const { return faces_; }

    void publish(shard_id shard, const replica_machine& replica, instant now) {
        replica_face& f = faces_.at(shard);
        f.role.store(replica.role(), std::memory_order_relaxed);
        f.epoch.store(replica.epoch(), std::memory_order_relaxed);
        f.leader.store(replica.leader().value, std::memory_order_relaxed);
        f.last.store(replica.last().index, std::memory_order_relaxed);
        f.in_sync.store(static_cast<std::uint32_t>(replica.config().in_sync.size()), std::memory_order_relaxed);
        if (f.applied.exchange(replica.applied(), std::memory_order_release) != replica.applied())
            f.moved_at_us.store(to_us(now), std::memory_order_relaxed);
        f.lease_until_us.store(to_us(replica.lease_until()), std::memory_order_release);
    }

  private:
    std::map<shard_id, replica_face> faces_; // made once
};

} // namespace coppice
