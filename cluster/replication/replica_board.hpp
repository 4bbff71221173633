// What the replicas of this node are at, for whoever must know without asking the journal: a read takes two loads.
// Written by the journal, read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <map>

#include "cluster/replication/replica_machine.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct replica_face {
    std::atomic<std::int64_t> lease_until_us{0}; // by the node's steady clock; 0: this node does not serve
    std::atomic<std::uint64_t> applied{0};
    std::atomic<std::uint64_t> last{0};
    std::atomic<std::uint64_t> committed{0}; // what this node knows to be committed, or as primary has under way
    std::atomic<std::uint64_t> takeovers{0}; // how often this node began to serve
    std::atomic<std::uint64_t> snapshots_sent{0}, snapshots_installed{0};
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<std::uint32_t> leader{0}; // node; 0: not known
    std::atomic<replica_role> role{replica_role::out};
    std::atomic<std::uint32_t> in_sync{0};
    // Since when `applied` is behind `committed` and has not grown, by the steady clock; 0: it is not.
    std::atomic<std::int64_t> stands_since_us{0};
    struct follower {
        std::atomic<std::uint32_t> node{0}; // 0: none
        std::atomic<std::uint64_t> match{0};
    };
    std::array<follower, limits::replicas_max> followers; // while this node leads
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

    void publish_snapshots(shard_id shard, std::uint64_t sent, std::uint64_t installed) {
        faces_.at(shard).snapshots_sent.store(sent, std::memory_order_relaxed);
        faces_.at(shard).snapshots_installed.store(installed, std::memory_order_relaxed);
    }
    void publish(shard_id shard, const replica_machine& replica, instant now) {
        replica_face& f = faces_.at(shard);
        const replica_role before = f.role.exchange(replica.role(), std::memory_order_relaxed);
        if (before != replica_role::serving && replica.role() == replica_role::serving)
            f.takeovers.fetch_add(1, std::memory_order_relaxed);
        f.epoch.store(replica.epoch(), std::memory_order_relaxed);
        f.leader.store(replica.leader().value, std::memory_order_relaxed);
        f.last.store(replica.last().index, std::memory_order_relaxed);
        f.in_sync.store(static_cast<std::uint32_t>(replica.config().in_sync.size()), std::memory_order_relaxed);
        const bool grew = f.applied.exchange(replica.applied(), std::memory_order_release) != replica.applied();
        const std::uint64_t committed = replica.leads() ? replica.last().index : replica.may_apply();
        f.committed.store(committed, std::memory_order_relaxed);
        const bool behind = replica.role() != replica_role::out && committed > replica.applied();
        if (!behind)
            f.stands_since_us.store(0, std::memory_order_relaxed);
        else if (grew || f.stands_since_us.load(std::memory_order_relaxed) == 0)
            f.stands_since_us.store(to_us(now), std::memory_order_relaxed);
        publish_followers(f, replica);
        f.lease_until_us.store(to_us(replica.lease_until()), std::memory_order_release);
    }

  private:
    static void publish_followers(replica_face& f, const replica_machine& replica) {
        std::size_t i = 0;
        if (replica.leads())
            for (const auto& view : replica.followers()) {
                if (i == f.followers.size()) break;
                f.followers[i].match.store(view.match, std::memory_order_relaxed);
                f.followers[i++].node.store(view.node.value, std::memory_order_relaxed);
            }
        for (; i < f.followers.size(); ++i) f.followers[i].node.store(0, std::memory_order_relaxed);
    }

    std::map<shard_id, replica_face> faces_; // made once
};

} // namespace coppice
