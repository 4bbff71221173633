// What operators of a cluster see and order, answered by one node from what it knows: the members and
// configurations of the control store, its links, its replicas. An order changes the control store, or goes to this
// node's journal.
//
// Invariants: a move of a shard is answered once; there is at most one at a time for a shard.
//
// Threads: any. Owned by cluster_side; called by the edge, and by whoever hears of changes.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "cluster/membership/member_keeper.hpp"
#include "cluster/membership/shard_config_keeper.hpp"
#include "cluster/peers/peer_network.hpp"
#include "cluster/replication/replica_board.hpp"
#include "runtime/edge/cluster_view.hpp"
#include "runtime/node/cluster_joining.hpp"

namespace coppice {

struct cluster_operations_options {
    node_id self{};
    member_keeper* members = nullptr; // these four outlive it
    const shard_config_keeper* configs = nullptr;
    const peer_network* network = nullptr;
    std::shared_ptr<replica_board> board;
    const cluster_joining* joining = nullptr;
    std::function<void(shard_id, node_id)> hand_over; // an order to this node's journal
};

class cluster_operations final : public cluster_view {
  public:
    explicit cluster_operations(cluster_operations_options options) : options_(std::move(options)) {}

    std::vector<cluster_node_row> nodes() const override;
    std::vector<cluster_shard_row> shards() const override;
    bool has_feature(std::string_view feature) const override;
    void change_node(node_id node, node_change change, change_done done) override;
    void move_shard(shard_id shard, node_id to, move_done done) override;
    void invite(std::chrono::seconds lifetime, invite_done done) override;

    // A shard's configuration may have changed: whoever waits for it is answered.
    void config_changed(shard_id shard, const shard_config& config);
    // Some time has passed: orders that were not possible are given again, and those that took too long answered.
    void look_again();

  private:
    struct move {
        node_id to{};
        instant until = never; // by the steady clock
        move_done done;
    };

    expected<void> may_leave(const std::vector<kept_member>& members, node_id node) const;
    tl::expected<bool, move_refused> may_move(shard_id shard, node_id to) const;

    const cluster_operations_options options_;
    std::mutex mutex_;
    std::map<shard_id, move> moves_;
};

} // namespace coppice
