// What a node of a cluster has beside a node alone: the control store with its copies here, the links to its peers,
// the log of its replicas; and who tells whom what happens there. Everything that comes from outside goes to the
// journal or the router as a message.
//
// Made before the tree of actors, started after it, stopped before it. Lives on the main thread; its callbacks come
// on the threads of network and control store.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "cluster/control/control_meter.hpp"
#include "cluster/control/control_mirror.hpp"
#include "cluster/membership/member_keeper.hpp"
#include "cluster/membership/shard_config_keeper.hpp"
#include "cluster/peers/peer_network.hpp"
#include "cluster/routing/router_actor.hpp"
#include "runtime/config/node_config.hpp"
#include "runtime/node/cluster_operations.hpp"
#include "runtime/node/cluster_placer.hpp"
#include "runtime/observability/log.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

class cluster_side {
  public:
    // Opens the node's stores and files; waits for no other machine.
    static expected<std::unique_ptr<cluster_side>> open(const node_config& config,
                                                        const std::filesystem::path& data, logger log);
    ~cluster_side();

    // Links with the peers and follows the control store; from here on journal and router hear of it.
    // `on_stop`: this node must stop, why_stopped() says why; called once, on any thread.
    expected<void> start(replica_journal_handle journal, router_handle router, std::function<void()> on_stop);
    // To be called about once a second: what could not be done when it was ordered is tried again. After `start`.
    void look_again();
    // Hands every shard that this node leads to another, waiting for it a while.
    void give_up_leadership(std::chrono::milliseconds patience);
    void stop();

    // For the actors' options.
    replicated_journal_options journal_options(store& data);
    std::vector<std::pair<shard_id, shard_config>> configs() const { return configs_->configs(); }
    std::vector<node_id> links() const;
    const std::shared_ptr<peer_outbox>& outbox() const { return outbox_; }
    const std::shared_ptr<replica_board>& board() const { return board_; }
    control_store& control() { return *control_; }
    const std::shared_ptr<control_rows>& rows() const { return rows_; }
    const std::vector<shard_id>& shards() const { return shards_; }
    const cluster_joining& joining() const { return *joining_; }
    cluster_view* operations() { return operations_.get(); } // after `start`
    // Whether all members have it. Any thread.
    bool all_have(std::string_view feature) const { return members_->all_have(feature); }
    // It is no member any more, or another one than the cluster knows.
    std::optional<failure> why_stopped() const;
    node_id self() const { return settings_.node; }

    // What probes and Prometheus are told.
    health_answer ready() const;
    std::string metrics_text() const;

  private:
    cluster_side(const cluster_settings& settings, const endpoint& rpc, logger log);
    expected<void> open_stores(const std::filesystem::path& data);
    expected<void> open_control();
    expected<void> start_links();
    void members_changed(const std::vector<kept_member>& members);
    void make_itself_known(const std::vector<kept_member>& members);
    void make_operations();
    void leave_cluster(const failure& why);
    void must_stop(const failure& why);
    void place();
    std::map<node_id, milliseconds> silences() const;
    void found_cluster();
    void frame_arrived(peer_frame frame);
    void link_changed(node_id node, bool up, std::string_view why);
    void propose_config(shard_id shard, const shard_config& config);
    bool is_member(node_id node) const;

    const cluster_settings settings_;
    const instant began_ = steady_now();
    const endpoint rpc_;
    const logger log_;
    const std::vector<shard_id> shards_; // of the cluster, by number from 0
    std::unique_ptr<store> log_store_, mirror_store_;
    std::shared_ptr<control_rows> rows_;
    std::shared_ptr<control_meter> control_meter_ = std::make_shared<control_meter>();
    std::unique_ptr<control_store> control_;
    std::unique_ptr<shard_config_keeper> configs_;
    std::unique_ptr<member_keeper> members_;
    std::shared_ptr<peer_outbox> outbox_;
    std::shared_ptr<replica_board> board_;
    std::unique_ptr<peer_network> network_;
    std::unique_ptr<cluster_joining> joining_;
    std::unique_ptr<cluster_placer> placer_;
    std::unique_ptr<cluster_operations> operations_;
    std::function<void()> on_stop_;
    replica_journal_handle journal_;
    router_handle router_;
    peer_inbox inbox_; // the network's thread
    mutable std::mutex mutex_;
    std::set<node_id> linked_, known_;
    std::optional<failure> why_stopped_;
    std::string fingerprint_;
    bool registering_ = false; // a write of its own record is under way
};

} // namespace coppice
