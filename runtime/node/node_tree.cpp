#include "runtime/node/node_tree.hpp"

#include "cluster/routing/remote_executor_actor.hpp"
#include "runtime/edge/worker_service.hpp"
#include "runtime/results/stored_log.hpp"

namespace coppice {

namespace {

result_port port_of(const std::shared_ptr<result_desk>& desk, store& data) {
    if (!desk) return {};
    return {.get = [desk](const attempt_ref& ref, const stored_result& what,
                          auto then) { desk->get(ref, what, std::move(then)); },
            .drop = [desk](std::span<const attempt_ref> refs) { desk->drop(refs); },
            .store_lines = [desk, &data](const attempt_ref& ref, std::uint64_t below,
                                         auto then) { store_lines(data, desk, ref, below, std::move(then)); },
            .drop_lines = [desk](std::span<const job_id> jobs) { drop_lines(desk, jobs); }};
}

supervisor_spec tree_of_shard(const node_addresses& addresses, const node_tree_options& options, shard_id shard,
                              const journal_port& journal, milliseconds local_grace) {
    const shard_addresses& here = addresses.shard[shard.value];
    const shard_options scheduler{.data = options.data,
                                  .shard = shard,
                                  .journal = journal,
                                  .clock = options.clock,
                                  .tenants = here.tenants,
                                  .local_grace = local_grace,
                                  .results = port_of(options.exec.results, *options.data)};
    const auto jobs = std::make_shared<const job_actor_options>(job_actor_options{
        journal, here.scheduler.as<shard_handle>(), options.data, options.clock, options.development});
    return shard_tree(scheduler, jobs, here.scheduler);
}

} // namespace

node_addresses::node_addresses(caf::actor_system& system, std::size_t shards_of_cluster)
    : journal(make_relay(system, when_down::stash)), control(make_relay(system, when_down::stash)),
      sessions(make_relay(system, when_down::stash)), replicas(make_relay(system, when_down::stash)),
      shards(make_relay(system, when_down::stash)), remotes(make_relay(system, when_down::stash)) {
    for (std::size_t i = 0; i < shards_of_cluster; ++i)
        shard.push_back({make_relay(system, when_down::stash), make_relay(system, when_down::stash)});
}

executor_port executor_port_of(const node_addresses& addresses, bool cluster) {
    return (cluster ? addresses.journal : addresses.shard.front().scheduler).as<executor_port>();
}

journal_port port_of(const node_addresses& addresses, const std::shared_ptr<inflight_gate>& gate) {
    return {addresses.journal.as<journal_handle>(), gate};
}

// rest_for_one: what comes later in the table lives on what comes before. A journal that fails takes the shard's
// actors, the sessions and the executor with it, a scheduler that fails the sessions and the executor; all of them
// grow again from the tables.
supervisor_spec node_tree(const node_addresses& addresses, const node_tree_options& options) {
    const journal_port journal = port_of(addresses, options.gate);
    static constexpr shard_id only{};
    const auto shard = addresses.shard.front().scheduler.as<shard_handle>();
    const journal_options data{
        .data = options.data,
        .clock = options.clock,
        .on_commit = [on_commit = options.on_commit](const commit_report& r) { on_commit(only, r); },
        .on_workers = [on_workers = options.on_workers](const slot_pool& pool) { on_workers(only, pool); },
        .valve = options.valve};
    const control_options control{options.control, options.board, journal, options.readers};
    auto exec = std::make_shared<exec_actor_options>(options.exec);
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
             .start = supervisor_of({.intensity = {0, milliseconds{60'000}}, // as shard_tree says
                                     .children = {{.id = "shard-0",
                                                   .start = supervisor_of(tree_of_shard(addresses, options, only,
                                                                                        journal, milliseconds{0})),
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

// rest_for_one, as above. The trees of the shards that this node leads come and go by the router's word.
supervisor_spec cluster_tree(const node_addresses& addresses, const node_tree_options& options,
                             replica_journal_options journal, router_options router, start_function control) {
    const journal_port replicas{addresses.replicas.as<journal_handle>(), options.gate};
    journal.journal.valve = options.valve;
    std::vector<start_function> trees;
    for (const shard_id shard : journal.journal.shards) {
        const auto scheduler = addresses.shard[shard.value].scheduler.as<shard_handle>();
        journal.shards.emplace(shard, scheduler);
        router.schedulers.push_back(scheduler);
        trees.push_back(
            supervisor_of(tree_of_shard(addresses, options, shard, replicas, limits::worker_reattach_grace)));
    }
    router.journal = addresses.replicas.as<replica_journal_handle>();
    router.shards = addresses.shards.handle();
    router.remotes = addresses.remotes.handle();
    router.gate = options.gate;
    const dynamic_spec shards{.start =
                                  dynamic_start<shard_id>([trees](supervised_context& context, shard_id shard) {
                                      return trees[shard.value](context);
                                  }),
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
                 {.children = {{.id = "exec",
                                .start =
                                    detached_actor_of(exec_actor, std::shared_ptr<const exec_actor_options>(exec)),
                                .shutdown = shutdown_after(exec->stop_grace + milliseconds{15'000})}}}),
             .kind = child_kind::supervisor});
    return tree;
}

} // namespace coppice
