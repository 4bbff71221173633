#include "runtime/node/node_tree.hpp"

#include "cluster/routing/remote_executor_actor.hpp"
#include "runtime/edge/worker_service.hpp"

namespace coppice {

node_addresses::node_addresses(caf::actor_system& system)
    : journal(make_relay(system, when_down::stash)), control(make_relay(system, when_down::stash)),
      shard(make_relay(system, when_down::stash)), tenants(make_relay(system, when_down::stash)),
      sessions(make_relay(system, when_down::stash)), replicas(make_relay(system, when_down::stash)),
      shards(make_relay(system, when_down::stash)), remotes(make_relay(system, when_down::stash)) {}

executor_port executor_port_of(const node_addresses& addresses, bool cluster) {
    return (cluster ? addresses.journal : addresses.shard).as<executor_port>();
}

journal_port port_of(const node_addresses& addresses, const std::shared_ptr<inflight_gate>& gate) {
    return {addresses.journal.as<journal_handle>(), gate};
}

// rest_for_one: what comes later in the table lives on what comes before. A journal that fails takes the shard's
// actors, the sessions and the executor with it, a scheduler that fails the sessions and the executor; all of them
// grow again from the tables.
supervisor_spec node_tree(const node_addresses& addresses, const node_tree_options& options) {
    const journal_port journal = port_of(addresses, options.gate);
    const auto shard = addresses.shard.as<shard_handle>();
    const journal_options data{
        .data = options.data, .on_commit = options.on_commit, .on_workers = options.on_workers};
    const control_options control{options.control, options.board, journal, options.readers};
    auto exec = std::make_shared<exec_actor_options>(options.exec);
    const auto jobs = std::make_shared<const job_actor_options>(
        job_actor_options{journal, shard, options.data, wall_clock_now, options.development});
    const shard_options scheduler{.data = options.data, .journal = journal, .tenants = addresses.tenants};
    supervisor_spec tree{
        .strategy = strategy::rest_for_one,
        .intensity = {10, milliseconds{60'000}},
        .children = {
            {.id = "journal-data",
             .start = detached_actor_of(journal_actor, data, shard),
             .address = addresses.journal},
            {.id = "journal-control",
             .start = detached_actor_of(control_actor, control),
             .address = addresses.control},
            {.id = "shards",
             .start =
                 supervisor_of({.intensity = {0, milliseconds{60'000}}, // as shard_tree says
                                .children = {{.id = "shard-0",
                                              .start = supervisor_of(shard_tree(scheduler, jobs, addresses.shard)),
                                              .kind = child_kind::supervisor}}}),
             .kind = child_kind::supervisor},
            {.id = "workers",
             .start = dynamic_of(worker_session_supervisor()),
             .kind = child_kind::supervisor,
             .address = addresses.sessions},
        }};
    if (exec->slots > 0)
        tree.children.push_back(
            {.id = "exec",
             .start = detached_actor_of(exec_actor, std::shared_ptr<const exec_actor_options>(exec)),
             .shutdown = shutdown_after(exec->stop_grace + milliseconds{15'000})});
    return tree;
}

// rest_for_one, as above. The trees of the shards that this node leads come and go by the router's word; an
// executor that a new primary does not know ends, and begins anew by itself, however often that is.
supervisor_spec cluster_tree(const node_addresses& addresses, const node_tree_options& options,
                             replica_journal_options journal, router_options router, start_function control) {
    const journal_port replicas{addresses.replicas.as<journal_handle>(), options.gate};
    const auto shard = addresses.shard.as<shard_handle>();
    const auto jobs = std::make_shared<const job_actor_options>(
        job_actor_options{replicas, shard, options.data, wall_clock_now, options.development});
    const shard_options scheduler{.data = options.data,
                                  .journal = replicas,
                                  .tenants = addresses.tenants,
                                  .local_grace = limits::worker_reattach_grace};
    journal.shards = {{router.shard, shard}};
    router.journal = addresses.replicas.as<replica_journal_handle>();
    router.scheduler = shard;
    router.shards = addresses.shards.handle();
    router.remotes = addresses.remotes.handle();
    router.gate = options.gate;
    const dynamic_spec shards{.start = [tree = supervisor_of(shard_tree(scheduler, jobs, addresses.shard))](
                                           supervised_context& context, const std::any&) { return tree(context); },
                              .restart = restart_type::temporary,
                              .shutdown = infinity,
                              .kind = "shard"};
    supervisor_spec tree{
        .strategy = strategy::rest_for_one,
        .intensity = {10, milliseconds{60'000}},
        .children = {
            {.id = "journal-data",
             .start = detached_actor_of(replica_journal_actor,
                                        std::make_shared<const replica_journal_options>(std::move(journal))),
             .address = addresses.replicas},
            {.id = "router",
             .start = actor_of(router_actor, std::make_shared<const router_options>(std::move(router))),
             .address = addresses.journal},
            {.id = "journal-control", .start = std::move(control), .address = addresses.control},
            {.id = "shards",
             .start = dynamic_of(shards),
             .kind = child_kind::supervisor,
             .address = addresses.shards},
            {.id = "remotes",
             .start = dynamic_of(remote_executor_supervisor()),
             .kind = child_kind::supervisor,
             .address = addresses.remotes},
            {.id = "workers",
             .start = dynamic_of(worker_session_supervisor()),
             .kind = child_kind::supervisor,
             .address = addresses.sessions},
        }};
    auto exec = std::make_shared<exec_actor_options>(options.exec);
    if (exec->slots > 0)
        tree.children.push_back(
            {.id = "executors",
             .start = supervisor_of(
                 {.intensity = {1000, milliseconds{60'000}},
                  .backoff = {milliseconds{50}, milliseconds{500}, milliseconds{1000}},
                  .children = {{.id = "exec",
                                .start =
                                    detached_actor_of(exec_actor, std::shared_ptr<const exec_actor_options>(exec)),
                                .shutdown = shutdown_after(exec->stop_grace + milliseconds{15'000})}}}),
             .kind = child_kind::supervisor});
    return tree;
}

} // namespace coppice
