// What every service of the edge is given: where to propose, where to read, who may. One for the node; it outlives
// the edge's thread.
#pragma once

#include "actors/governance/control_actor.hpp"
#include "actors/interfaces.hpp"
#include "actors/jobs/shard_actor.hpp"
#include "actors/jobs/store_check.hpp"
#include "actors/supervision/actor_tree.hpp"
#include "runtime/auth/jwt.hpp"
#include "runtime/edge/cluster_view.hpp"
#include "runtime/edge/connection.hpp"
#include "runtime/edge/kj_inbox.hpp"
#include "runtime/edge/watch_hub.hpp"
#include "runtime/observability/log.hpp"
#include "runtime/observability/spans.hpp"
#include "runtime/results/result_desk.hpp"

namespace coppice {

// Empty on a node alone, whose tables may always be read.
struct read_rules {
    std::function<bool(shard_id)> open; // now, at once; any thread
    std::function<bool(shard_id)> held; // whether this node has a replica, however far it has come; any thread
    // `done` is called once, on any thread, when they may.
    std::function<void(shard_id, std::function<void(expected<void>)> done)> wait;
};

struct edge_context {
    std::size_t shards = 1; // of the cluster; a node alone has one
    store* data = nullptr;
    store* control = nullptr;
    read_rules reads;
    cluster_view* cluster = nullptr; // null on a node alone
    // What is declared, of one kind or (empty) of all: from the node's own store, or from its copy of the
    // cluster's.
    std::function<std::vector<declared_row>(std::string_view kind)> declared;
    // `done` is called once, on any thread, when the board holds what had been declared anywhere before. Empty on a
    // node alone, whose board always does.
    std::function<void(std::function<void()> done)> refresh_declared;
    journal_port journal;
    executor_port shard_actor; // where workers are introduced
    control_handle control_actor;
    caf::actor worker_sessions; // the dynamic supervisor of session actors
    std::shared_ptr<catalog_board> board;
    std::shared_ptr<const actor_tree> tree;
    std::shared_ptr<watch_hub> hub;
    std::shared_ptr<kj_inbox> inbox;
    token_verifier verifier;
    logger log;
    std::function<instant()> clock = wall_clock_now;
    std::function<std::string()> metrics_text;
    std::function<void()> login_refused;
    std::function<audit_summary()> newest_audit;
    std::shared_ptr<start_valve> valve;
    std::shared_ptr<result_desk> results; // null: no result store
    std::function<void(span)> add_span;   // of a call; empty: nobody collects them
    std::shared_ptr<calls_under_way> calls = std::make_shared<calls_under_way>(); // the loop's
    std::shared_ptr<std::atomic<std::size_t>> rpc_connections = std::make_shared<std::atomic<std::size_t>>(0);
    std::uint32_t life = 1; // of the node, for worker ids
};

} // namespace coppice
