#include "runtime/node/node.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/supervision/system_config_actor.hpp"
#include "cluster/declared/cluster_control_actor.hpp"
#include "cluster/membership/own_version.hpp"
#include "persistence/data_directory.hpp"
#include "persistence/lmdb_store.hpp"
#include "runtime/auth/key_file.hpp"
#include "runtime/config/specs.hpp"
#include "runtime/node/cluster_side.hpp"
#include "runtime/node/control_file.hpp"
#include "runtime/node/development.hpp"
#include "runtime/node/edge_thread.hpp"
#include "runtime/node/heap_keeper.hpp"
#include "runtime/node/node_results.hpp"
#include "runtime/node/node_tree.hpp"
#include "runtime/node/self_audit.hpp"
#include "runtime/observability/node_metrics.hpp"
#include "runtime/observability/readiness.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t data_format_version = 1;
constexpr std::size_t scheduler_threads = 2;
constexpr milliseconds stop_wait{30'000};
constexpr milliseconds leadership_patience{5'000}; // for others to take over what this node leads
constexpr std::array data_tables{
    table::meta,    table::tenants,   table::types,   table::counters, table::jobs,        table::payloads,
    table::results, table::queue,     table::running, table::timers,   table::dependents,  table::idempotency,
    table::logs,    table::evidence,  table::events,  table::replicas, table::checkpoints, table::unique,
    table::graphs,  table::schedules, table::batches};

struct stores {
    std::unique_ptr<store> control;
    std::unique_ptr<store> data;
    std::uint32_t life = 0;
};

expected<stores> open_stores(const std::filesystem::path& directory, std::size_t map_bytes) {
    stores s;
    auto control = open_control_file(directory);
    if (!control) return tl::unexpected(control.error());
    auto data = open_lmdb_store({directory / "data.mdb", map_bytes, data_tables, data_format_version});
    if (!data) return tl::unexpected(data.error());
    s.control = std::move(*control);
    s.data = std::move(*data);
    const auto transaction = s.control->begin_write();
    s.life = begin_life(*transaction);
    if (auto done = transaction->commit(); !done) return tl::unexpected(done.error());
    return s;
}

// The configured keys, or those of the data directory, made at the first start.
expected<std::vector<signing_key>> open_keys(const std::filesystem::path& directory,
                                             const std::string& configured) {
    if (!configured.empty()) return load_keys(configured);
    const auto folder = directory / "keys";
    if (::mkdir(folder.c_str(), 0700) == 0)
        if (auto made = create_hs256_key_file(folder / "node.jwk", "node"); !made)
            return tl::unexpected(made.error());
    return load_keys(folder);
}

spec_readers readers() {
    return {[](std::string_view text) { return tenant_spec_from_json(text); },
            [](std::string_view text) { return job_type_spec_from_json(text, spec_origin::stored); },
            [](std::string_view text) { return schedule_spec_from_json(text); }};
}

expected<void> write_operator_token(const std::filesystem::path& directory, const signing_key& key,
                                    const std::string& audience) {
    token_claims claims;
    claims.who = {role::platform_owner, std::nullopt, "operator"};
    claims.audience = audience;
    claims.issued_at = wall_clock_now();
    claims.expires_at = claims.issued_at + std::chrono::hours{24 * 30};
    const auto token = issue_token(key, claims);
    if (!token) return tl::unexpected(token.error());
    const auto path = directory / "operator.token";
    const mode_t before = ::umask(0077);
    std::ofstream{path} << *token << '\n';
    ::umask(before);
    return {};
}

logger make_logger(const log_settings& settings) {
    const bool json = settings.format == "json" || (settings.format.empty() && ::isatty(STDERR_FILENO) == 0);
    return {{.level = log_level_from_name(settings.level).value_or(log_level::info),
             .style = json ? log_style::json : style_for(STDERR_FILENO)},
            make_descriptor_sink(STDERR_FILENO)};
}

// The life of a node in worker ids: of a cluster's, with its number.
std::uint32_t life_of(std::uint32_t life, const cluster_side* cluster) {
    return cluster == nullptr ? life : cluster->self().value << 20 | (life & 0xfffff);
}

// What is declared in the cluster, as this node knows it; nothing on a node alone.
struct cluster_declared {
    std::shared_ptr<declared_copy> copy;
    std::shared_ptr<catalog_refresh> refresh;
};

// The tree of a node in a cluster: everybody proposes to the router, and the journal hears of the peers.
supervisor_spec grow_in_cluster(const node_addresses& addresses, const node_tree_options& options,
                                cluster_side& side, const cluster_declared& declared,
                                const std::shared_ptr<watch_hub>& hub, const logger& log) {
    replica_journal_options journal{.journal = side.journal_options(*options.data), .board = side.board()};
    journal.journal.on_commit = options.on_commit;
    journal.journal.on_applied = [hub](shard_id shard, const batch_output& out) { hub->committed(shard, out); };
    journal.on_workers = options.on_workers;
    journal.on_role = [router = addresses.journal.as<router_handle>(), log](const role_change& change) {
        log.info("role", {{"shard", std::uint64_t{change.shard.value}},
                          {"role", std::string{to_string(change.role)}},
                          {"epoch", change.epoch},
                          {"leader", std::uint64_t{change.leader.value}}});
        caf::anon_send(router, role_seen{change.shard, change.role, change.epoch});
    };
    if (side.shards().size() > 1)
        journal.on_slots = [router = addresses.journal.as<router_handle>()](slots_seen seen) {
            caf::anon_send(router, std::move(seen));
        };
    journal.configs = [&side] { return side.configs(); };
    journal.links = [&side] { return side.links(); };
    journal.flush_outbox = [outbox = side.outbox()] {
        outbox->flush();
        return outbox->waits();
    };
    router_options router{
        .outbox = side.outbox(), .board = side.board(), .links = [&side] { return side.links(); }};
    const cluster_control_options control{
        .store = &side.control(),
        .copy = declared.copy,
        .board = options.board,
        .refresh = declared.refresh,
        .journal = port_of(addresses, options.gate),
        .readers = options.readers,
        .shards = side.shards(),
        .refused = [log](const std::string& key, const failure& why) {
            log.error("a declaration is not in force", {{"key", key}, {"why", to_string(why)}});
        }};
    return cluster_tree(addresses, options, std::move(journal), std::move(router),
                        actor_of(cluster_control_actor, control));
}

std::function<void(std::function<void()>)> refreshing(const std::shared_ptr<catalog_refresh>& refresh) {
    if (!refresh) return {};
    return [refresh](std::function<void()> done) { refresh->ask(std::move(done)); };
}

// Reads here see what was acknowledged anywhere.
read_rules cluster_reads(const node_addresses& addresses, const cluster_side& side) {
    return {
        [board = side.board()](shard_id shard) {
            return to_us(steady_now()) < board->face(shard)->lease_until_us.load(std::memory_order_acquire);
        },
        [board = side.board()](shard_id shard) {
            const replica_role role = board->face(shard)->role.load();
            return role == replica_role::serving || role == replica_role::settling ||
                   role == replica_role::secondary || role == replica_role::candidate;
        },
        [router = addresses.journal.as<router_handle>()](shard_id shard, std::function<void(expected<void>)> done) {
            caf::anon_send(router, read_wanted{shard, std::move(done)});
        }};
}

// What a shard's event feed holds already is known, so that followers who start now start at its end.
std::shared_ptr<watch_hub> make_hub(const std::shared_ptr<kj_inbox>& inbox, store& data, std::size_t shards) {
    auto hub = std::make_shared<watch_hub>(inbox, shards);
    const auto tables = data.begin_read();
    for (const shard_id shard : all_shards(shards))
        hub->start_at(shard, keys::last_sequence(*tables, table::events, shard));
    return hub;
}

std::vector<std::string> actors_always_there(std::size_t shards) {
    std::vector<std::string> paths{"node/journal-data", "node/journal-control", "node/exec"};
    for (std::size_t i = 0; i < shards; ++i)
        paths.push_back("node/shards/shard-" + std::to_string(i) + "/scheduler");
    return paths;
}

void report_to_log(const logger& log, const supervision_report& r) {
    const bool quiet = r.event == supervision_event::shut_down;
    const std::string event{to_string(r.event)};
    if (quiet)
        log.debug(event, {{"path", r.path}, {"why", r.text}});
    else
        log.warn(event, {{"path", r.path}, {"why", r.text}});
}

// Tokens are judged by what the key files hold now; sessions that are open go on to their tokens' end.
void reload_keys(edge_context& edge, const std::filesystem::path& directory, const auth_settings& settings) {
    const auto keys = open_keys(directory, settings.keys);
    auto verifier = keys ? token_verifier::make(*keys, {settings.audience, std::nullopt})
                         : expected<token_verifier>{tl::unexpected(keys.error())};
    if (!verifier)
        return edge.log.error("the keys were not reloaded; the former ones stay",
                              {{"why", to_string(verifier.error())}});
    edge.log.info("the keys were reloaded", {{"keys", std::uint64_t{keys->size()}}});
    edge.inbox->post([&edge, next = std::make_shared<token_verifier>(std::move(*verifier))] {
        edge.verifier = std::move(*next);
    });
}

// Until SIGTERM or SIGINT comes, which it gives. Meanwhile the heap is looked after, the cluster looks again at
// what it could not do before, and SIGHUP calls `reload`.
template <class Reload>
int wait_for_stop(const sigset_t& signals, heap_keeper& heap, cluster_side* cluster, Reload&& reload) {
    constexpr timespec interval{limits::heap_look_interval.count(), 0};
    for (;;) {
        const int signal = ::sigtimedwait(&signals, nullptr, &interval);
        if (signal == SIGHUP)
            reload();
        else if (signal > 0)
            return signal;
        heap.look();
        if (cluster != nullptr) cluster->look_again();
    }
}

} // namespace

expected<void> run_node(const node_config& config, bool development) {
    // Waited for below; blocked first, so that every thread made from here on leaves them to us.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    heap_keeper heap;

    const logger log = make_logger(config.log);
    auto directory = data_directory::open(config.data);
    if (!directory) return tl::unexpected(directory.error());
    auto opened = open_stores(directory->path(), config.store.map_bytes);
    if (!opened) return tl::unexpected(opened.error());
    auto keys = open_keys(directory->path(), config.auth.keys);
    if (!keys) return tl::unexpected(keys.error());
    if (development)
        if (auto done = write_operator_token(directory->path(), keys->front(), config.auth.audience); !done)
            return done;
    auto verifier = token_verifier::make(*keys, {config.auth.audience, std::nullopt});
    if (!verifier) return tl::unexpected(verifier.error());
    std::unique_ptr<cluster_side> cluster;
    cluster_declared declared;
    const auto board = std::make_shared<catalog_board>();
    if (config.cluster) {
        auto side = cluster_side::open(config, directory->path(), log.named("cluster"));
        if (!side) return tl::unexpected(side.error());
        cluster = std::move(*side);
        auto copy = declared_copy::start(cluster->control(), cluster->rows());
        if (!copy) return tl::unexpected(copy.error());
        declared = {std::move(*copy), std::make_shared<catalog_refresh>(cluster->control())};
        for (const std::string& problem : load_catalog(*declared.copy, readers(), *board))
            log.error("a declaration is not in force", {{"why", problem}});
    } else if (auto loaded = load_catalog(*opened->control, readers(), *board); !loaded) {
        return loaded;
    }

    system_config caf_config{scheduler_threads};
    caf::actor_system system{caf_config};
    const auto tree = std::make_shared<actor_tree>("node");
    const auto environment = std::make_shared<const supervision>(
        supervision{.tree = tree,
                    .report_sink = [log](const supervision_report& r) { report_to_log(log, r); },
                    .wall_clock = wall_clock_now,
                    .seed = std::random_device{}()});
    const auto gate = std::make_shared<inflight_gate>();
    const std::size_t shards = cluster ? cluster->shards().size() : 1;
    const node_addresses addresses{system, shards};
    const auto inbox = std::make_shared<kj_inbox>();
    const auto hub = make_hub(inbox, *opened->data, shards);
    const auto ready = std::make_shared<readiness>(*opened->data, gate);
    const auto rpc_connections = std::make_shared<std::atomic<std::size_t>>(0);
    const auto span_count = std::make_shared<span_totals>();
    const auto spans =
        span_exporter::make({config.tracing.endpoint, to_string(config.listen)}, log.named("tracing"), span_count);
    const auto valve = std::make_shared<start_valve>(start_valve::setting{.closed = config.paused});
    const auto audit = std::make_shared<self_audit>(*opened->data, shards, config.audit.every, log.named("audit"));
    auto results = open_results(config, *opened->data, directory->path(), cluster.get(), log);
    if (!results) return tl::unexpected(results.error());
    const auto metrics = std::make_shared<node_metrics>(metrics_sources{
        .data = opened->data.get(),
        .control = opened->control.get(),
        .shards = shards,
        .leads = cluster ? [board = cluster->board()](
                               shard_id shard) { return board->face(shard)->role.load() == replica_role::serving; }
                         : std::function<bool(shard_id)>{},
        .gate = gate,
        .tree = tree,
        .actors = actors_always_there(shards),
        .log = log,
        .rpc_connections = [rpc_connections] { return rpc_connections->load(); },
        .spans = span_count,
        .newest_audit = [audit] { return audit->newest(); },
        .valve = valve,
        .results = results->desk});
    const std::uint32_t life = life_of(opened->life, cluster.get());
    const auto worker_of_life = make_worker_id(life, 1, true);
    node_tree_options tree_options{
        .data = opened->data.get(),
        .control = opened->control.get(),
        .board = board,
        .gate = gate,
        .readers = readers(),
        .on_commit =
            [hub, metrics, ready, spans](shard_id shard, const commit_report& r) {
                hub->committed(shard, r.output);
                metrics->committed(r);
                ready->committed();
                if (spans) spans->committed(r);
            },
        .on_workers = [metrics](shard_id shard, const slot_pool& pool) { metrics->workers_changed(pool, shard); },
        .valve = valve,
        .exec = {.runner = {.work_root = directory->path() / "work"},
                 .rlimits = {static_cast<std::uint64_t>(config.exec.cpu.count() / 1000), config.exec.memory_bytes,
                             config.exec.file_bytes, config.exec.open_files},
                 .slots = config.exec.slots,
                 .worker = worker_of_life,
                 .journal = port_of(addresses, gate),
                 .shard = executor_port_of(addresses, cluster != nullptr),
                 .board = board,
                 .log = log.named("exec"),
                 .keeps_checkpoints = cluster ? std::function{[side = cluster.get()] {
                     return side->all_have(feature::checkpoints);
                 }}
                                              : nullptr,
                 .results = results->desk},
        .development = development};
    const caf::actor root = spawn_supervisor(
        system, environment,
        cluster ? grow_in_cluster(addresses, tree_options, *cluster, declared, hub, log.named("cluster"))
                : node_tree(addresses, tree_options));
    if (cluster)
        if (auto done = cluster->start(addresses.replicas.as<replica_journal_handle>(),
                                       addresses.journal.as<router_handle>(), [] { ::kill(::getpid(), SIGTERM); });
            !done) {
            stop_and_wait(system, root, stop_wait);
            return done;
        }
    if (development) declare_development(addresses.control.as<control_handle>(), *board->get(), log);

    edge_context edge{.shards = shards,
                      .data = opened->data.get(),
                      .control = opened->control.get(),
                      .reads = cluster ? cluster_reads(addresses, *cluster) : read_rules{},
                      .cluster = cluster ? cluster->operations() : nullptr,
                      .declared =
                          [control = opened->control.get(), copy = declared.copy](std::string_view kind) {
                              return copy ? copy->rows(kind) : declared_rows(*control->begin_read(), kind);
                          },
                      .refresh_declared = refreshing(declared.refresh),
                      .journal = port_of(addresses, gate),
                      .shard_actor = executor_port_of(addresses, cluster != nullptr),
                      .control_actor = addresses.control.as<control_handle>(),
                      .worker_sessions = addresses.sessions.handle(),
                      .board = board,
                      .tree = tree,
                      .hub = hub,
                      .inbox = inbox,
                      .verifier = std::move(*verifier),
                      .log = log.named("edge"),
                      .metrics_text =
                          [metrics, side = cluster.get()] {
                              return metrics->render() + (side == nullptr ? "" : side->metrics_text());
                          },
                      .login_refused = [metrics] { metrics->login_refused(); },
                      .newest_audit = [audit] { return audit->newest(); },
                      .valve = valve,
                      .results = results->desk,
                      .add_span =
                          spans ? [spans](span one) { spans->add(std::move(one)); } : std::function<void(span)>{},
                      .rpc_connections = rpc_connections,
                      .life = life};
    edge_thread serving{edge,
                        config,
                        {.metrics = [&edge] { return edge.metrics_text(); },
                         .live =
                             [] {
                                 return health_answer{true, "live"};
                             },
                         .ready =
                             [ready, side = cluster.get()] {
                                 const health_answer own = ready->judge();
                                 return own.ok && side != nullptr ? side->ready() : own;
                             },
                         .on_fault =
                             [log](std::string_view text) {
                                 log.error("metrics", {{"why", std::string{text}}});
                             }},
                        [side = cluster.get()](join_request request, auto done) {
                            side->joining().admit(std::move(request), std::move(done));
                        }};
    const auto ports = serving.start();
    if (ports) {
        std::printf("coppice: serving on %s:%u\ncoppice: metrics on %s:%u\n", config.listen.host.c_str(),
                    ports->rpc, config.metrics_listen.host.c_str(), ports->metrics);
        std::fflush(stdout);
        log.info("node started", {{"data", directory->path().string()},
                                  {"life", std::uint64_t{opened->life}},
                                  {"pid", static_cast<std::int64_t>(::getpid())}});
        const int signal = wait_for_stop(signals, heap, cluster.get(), [&] {
            reload_keys(edge, directory->path(), config.auth);
            serving.reload_certificate();
        });
        log.info("node stopping", {{"signal", std::int64_t{signal}}});
        ready->stopping();
        if (cluster && !cluster->why_stopped()) cluster->give_up_leadership(leadership_patience);
        serving.stop();
    }
    auto stopped = stop_and_wait(system, root, stop_wait);
    const auto why = cluster ? cluster->why_stopped() : std::nullopt;
    results->stop();
    if (cluster) cluster->stop(); // after the actors, which use it to their end
    if (!ports) return tl::unexpected(ports.error());
    if (why) return tl::unexpected(*why);
    return stopped;
}

} // namespace coppice
