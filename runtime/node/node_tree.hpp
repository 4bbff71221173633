// The supervision tree of a node, as a table of child specs, and the addresses in it that survive restarts.
#pragma once

#include "actors/governance/control_actor.hpp"
#include "actors/jobs/shard_actor.hpp"
#include "actors/supervision/supervisor_actor.hpp"
#include "cluster/routing/router_actor.hpp"
#include "runtime/executors/exec_actor.hpp"

namespace coppice {

struct shard_addresses {
    relay_ptr scheduler;
    relay_ptr tenants;
};

struct node_addresses {
    relay_ptr journal; // where everybody proposes: the journal, in a cluster the router
    relay_ptr control;
    std::vector<shard_addresses> shard; // by number
    relay_ptr sessions;
    // In a cluster:
    relay_ptr replicas; // the journal
    relay_ptr shards;   // the supervisor of the shards' trees
    relay_ptr remotes;  // the supervisor of other nodes' executors
    node_addresses(caf::actor_system& system, std::size_t shards);
};

struct node_tree_options {
    store* data = nullptr;
    store* control = nullptr;
    std::shared_ptr<catalog_board> board;
    std::shared_ptr<inflight_gate> gate;
    spec_readers readers;
    std::function<void(shard_id, const commit_report&)> on_commit;
    std::function<void(shard_id, const slot_pool&)> on_workers;
    std::shared_ptr<start_valve> valve;
    exec_actor_options exec; // its journal and shard are set here
    bool development = false;
    std::function<instant()> clock = wall_clock_now;
};

journal_port port_of(const node_addresses& addresses, const std::shared_ptr<inflight_gate>& gate);
// Where executors introduce themselves.
executor_port executor_port_of(const node_addresses& addresses, bool cluster);
supervisor_spec node_tree(const node_addresses& addresses, const node_tree_options& options);
// Of a node in a cluster. `journal` and `router`: their links and configurations; handles and outbox are set here.
supervisor_spec cluster_tree(const node_addresses& addresses, const node_tree_options& options,
                             replica_journal_options journal, router_options router, start_function control);

} // namespace coppice
