#include "runtime/node/cluster_side.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <condition_variable>

#include "cluster/control/etcd_control_store.hpp"
#include "cluster/identity/certificate.hpp"
#include "cluster/membership/own_version.hpp"
#include "persistence/lmdb_store.hpp"
#include "persistence/secret_file.hpp"
#include "runtime/observability/replica_metrics.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t cluster_format_version = 1;
constexpr std::size_t log_map_bytes = std::size_t{64} << 30;
constexpr std::size_t mirror_map_bytes = std::size_t{1} << 30;
constexpr std::array log_tables{table::meta, table::shard_log};
constexpr std::array mirror_tables{table::meta, table::control_mirror};
constexpr std::uint32_t founder = 1; // the first member writes the first configurations

expected<std::string> read_text(const std::string& path) {
    std::string text;
    if (const auto mode = read_small_file(path, limits::tls_file_size_max, text); !mode)
        return tl::unexpected(mode.error());
    return text;
}

} // namespace

cluster_side::cluster_side(const cluster_settings& settings, const endpoint& rpc, logger log)
    : settings_(settings), rpc_(rpc), log_(std::move(log)), shards_(all_shards(settings.shards)) {}

cluster_side::~cluster_side() { stop(); }

expected<std::unique_ptr<cluster_side>> cluster_side::open(const node_config& config,
                                                           const std::filesystem::path& data, logger log) {
    std::unique_ptr<cluster_side> side{new cluster_side(*config.cluster, config.listen, std::move(log))};
    if (auto done = side->open_stores(data); !done) return tl::unexpected(done.error());
    if (auto done = side->open_control(); !done) return tl::unexpected(done.error());
    if (auto done = side->start_links(); !done) return tl::unexpected(done.error());
    const std::filesystem::path keys = config.auth.keys.empty() ? (data / "keys").string() : config.auth.keys;
    auto joining = cluster_joining::make(
        {side->control_.get(), side->members_.get(), side->settings_, keys, side->log_.named("join")});
    if (!joining) return tl::unexpected(joining.error());
    side->joining_ = std::move(*joining);
    return side;
}

expected<void> cluster_side::open_stores(const std::filesystem::path& data) {
    auto log = open_lmdb_store({data / "log.mdb", log_map_bytes, log_tables, cluster_format_version});
    if (!log) return tl::unexpected(log.error());
    log_store_ = std::move(*log);
    auto mirror = open_lmdb_store({data / "cluster.mdb", mirror_map_bytes, mirror_tables, cluster_format_version});
    if (!mirror) return tl::unexpected(mirror.error());
    mirror_store_ = std::move(*mirror);
    rows_ = std::make_shared<control_rows>(*mirror_store_);
    board_ = std::make_shared<replica_board>(shards_);
    return {};
}

expected<void> cluster_side::open_control() {
    auto etcd = options_of(settings_.etcd);
    if (!etcd) return tl::unexpected(etcd.error());
    etcd->meter = control_meter_;
    auto made = make_etcd_control_store(std::move(*etcd));
    if (!made) return tl::unexpected(made.error());
    control_ = std::move(*made);
    const auto refused = [log = log_](const std::string& key, const failure& why) {
        log.error("a record of the control store cannot be used", {{"key", key}, {"why", to_string(why)}});
    };
    auto configs = shard_config_keeper::start({.store = control_.get(),
                                               .rows = rows_,
                                               .refused = refused,
                                               .shards = settings_.shards,
                                               .miscounted = [this](const failure& why) { must_stop(why); }});
    if (!configs) return tl::unexpected(configs.error());
    configs_ = std::move(*configs);
    auto members = member_keeper::start({control_.get(), rows_, refused});
    if (!members) return tl::unexpected(members.error());
    members_ = std::move(*members);
    return {};
}

expected<void> cluster_side::start_links() {
    auto certificate = read_text(settings_.certificate);
    if (!certificate) return tl::unexpected(certificate.error());
    const auto identity = certificate_identity(*certificate);
    if (!identity) return fail(identity.error().code, settings_.certificate + ": " + identity.error().detail);
    if (identity->node != self() || identity->cluster != settings_.name)
        return fail(errc::invalid_argument, settings_.certificate + " is of node " +
                                                std::to_string(identity->node.value) + " of cluster \"" +
                                                identity->cluster + "\"");
    fingerprint_ = identity->fingerprint;
    peer_options peers;
    peers.self = self();
    peers.cluster = settings_.name;
    peers.listen_host = settings_.peer_listen.host;
    peers.listen_port = settings_.peer_listen.port;
    peers.certificate = settings_.certificate;
    peers.key = settings_.key;
    peers.ca = settings_.ca;
    peers.on_frame = [this](peer_frame frame) { frame_arrived(std::move(frame)); };
    peers.on_up = [this](node_id node) { link_changed(node, true, ""); };
    peers.on_down = [this](node_id node, std::string_view why) { link_changed(node, false, why); };
    peers.is_member = [this](node_id node) { return is_member(node); };
    peers.on_log = [log = log_](node_id node, std::string_view text) {
        log.info("peer", {{"node", std::uint64_t{node.value}}, {"what", std::string{text}}});
    };
    network_ = std::make_unique<peer_network>(std::move(peers));
    outbox_ = std::make_shared<peer_outbox>(
        [network = network_.get()](node_id to, peer_channel c, bytes_view b) { return network->send(to, c, b); });
    return {};
}

expected<void> cluster_side::start(replica_journal_handle journal, router_handle router,
                                   std::function<void()> on_stop) {
    on_stop_ = std::move(on_stop);
    journal_ = std::move(journal);
    router_ = std::move(router);
    const auto port = network_->start();
    if (!port) return tl::unexpected(port.error());
    log_.info("peer links", {{"port", std::uint64_t{*port}}, {"node", std::uint64_t{settings_.node.value}}});
    make_operations();
    configs_->on_config([this](shard_id shard, const shard_config& config) {
        caf::anon_send(journal_, config_seen{shard, config});
        place();
        operations_->config_changed(shard, config);
    });
    members_->on_members([this](const std::vector<kept_member>& members) { members_changed(members); });
    if (settings_.node.value == founder) found_cluster();
    return {};
}

void cluster_side::make_operations() {
    const auto hand_over = [this](shard_id shard, node_id to) {
        caf::anon_send(journal_, hand_over_wanted{shard, to});
    };
    operations_ = std::make_unique<cluster_operations>(cluster_operations_options{.self = self(),
                                                                                  .members = members_.get(),
                                                                                  .configs = configs_.get(),
                                                                                  .network = network_.get(),
                                                                                  .board = board_,
                                                                                  .joining = joining_.get(),
                                                                                  .hand_over = hand_over});
    const auto want_replicas = [this](shard_id shard, std::vector<node_id> replicas) {
        caf::anon_send(journal_, replicas_wanted{shard, std::move(replicas)});
    };
    placer_ = std::make_unique<cluster_placer>(cluster_placer_options{.self = self(),
                                                                      .min_in_sync = settings_.min_in_sync,
                                                                      .silences = [this] { return silences(); },
                                                                      .lost_after = settings_.lost_after,
                                                                      .want_replicas = want_replicas,
                                                                      .hand_over = hand_over,
                                                                      .log = log_});
}

void cluster_side::stop() {
    if (configs_) configs_->on_config(nullptr);
    if (members_) members_->on_members(nullptr);
    if (network_) network_->stop();
    operations_.reset();
    configs_.reset();
    members_.reset();
    if (control_) control_->stop();
    journal_ = nullptr;
    router_ = nullptr;
}

void cluster_side::give_up_leadership(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    const auto leads = [this] {
        return std::ranges::any_of(board_->faces(), [](const auto& each) {
            const replica_role role = each.second.role.load();
            return role == replica_role::serving || role == replica_role::settling;
        });
    };
    while (leads() && std::chrono::steady_clock::now() < end) {
        std::mutex mutex;
        std::condition_variable answered;
        bool done = false;
        caf::anon_send(journal_, leadership_unwanted{[&](std::size_t) {
                           const std::lock_guard guard{mutex};
                           done = true;
                           answered.notify_one();
                       }});
        std::unique_lock lock{mutex};
        answered.wait(lock, [&] { return done; });
        if (leads()) answered.wait_for(lock, std::chrono::milliseconds{20});
    }
}

// ---- the peers
// ----------------------------------------------------------------------------------------------------------

bool cluster_side::is_member(node_id node) const {
    const std::lock_guard guard{mutex_};
    return known_.contains(node);
}

std::vector<node_id> cluster_side::links() const {
    const std::lock_guard guard{mutex_};
    return {linked_.begin(), linked_.end()};
}

void cluster_side::link_changed(node_id node, bool up, std::string_view why) {
    {
        const std::lock_guard guard{mutex_};
        if (up)
            linked_.insert(node);
        else
            linked_.erase(node);
    }
    if (up) {
        outbox_->link_up(node);
        log_.info("peer linked", {{"node", std::uint64_t{node.value}}});
    } else {
        outbox_->link_down(node);
        inbox_.link_down(node);
        log_.warn("peer lost", {{"node", std::uint64_t{node.value}}, {"why", std::string{why}}});
    }
    caf::anon_send(journal_, peer_linked{node, up});
    caf::anon_send(router_, peer_linked{node, up});
}

void cluster_side::frame_arrived(peer_frame frame) {
    const node_id from = frame.from();
    auto message = inbox_.take(from, frame.channel(), frame.bytes());
    if (!message) {
        log_.warn("a peer sent what no peer sends",
                  {{"node", std::uint64_t{from.value}}, {"why", to_string(message.error())}});
        return;
    }
    if (!*message) return;
    auto hold = std::make_shared<peer_frame>(std::move(frame));
    if ((*message)->kind == peer_kind::replica)
        caf::anon_send(journal_, replica_frame{from, std::move((*message)->body), std::move(hold)});
    else
        caf::anon_send(router_, route_frame{from, std::move((*message)->body), std::move(hold)});
}

// ---- the control store
// --------------------------------------------------------------------------------------------------

void cluster_side::found_cluster() {
    configs_->create({self()}, shards_, [log = log_](expected<void> done) {
        if (!done)
            log.warn("the shards' first configurations were not written", {{"why", to_string(done.error())}});
    });
}

void cluster_side::members_changed(const std::vector<kept_member>& members) {
    const auto own = std::ranges::find_if(members, [&](const kept_member& m) { return m.what.number == self(); });
    if (own != members.end() && own->what.state == member_state::removed)
        return leave_cluster({errc::illegal_transition,
                              "this node was removed from the cluster; `coppice cluster add` makes another one"});
    std::vector<peer_address> peers;
    {
        const std::lock_guard guard{mutex_};
        known_.clear();
        for (const kept_member& m : members)
            if (m.what.state != member_state::removed) known_.insert(m.what.number);
    }
    for (const kept_member& m : members)
        if (m.what.state != member_state::removed && m.what.number != self())
            peers.push_back({m.what.number, m.what.peer.host, m.what.peer.port});
    if (auto done = network_->set_peers(std::move(peers)); !done)
        log_.error("the peers cannot be linked", {{"why", to_string(done.error())}});
    make_itself_known(members);
    place();
}

// It is not let in anywhere any more, and must not act on what it still hears: nobody is a member to it, so its
// links are cut, its leases end, and whoever started it is told to stop.
void cluster_side::leave_cluster(const failure& why) {
    must_stop(why);
    {
        const std::lock_guard guard{mutex_};
        known_.clear();
    }
    (void)network_->set_peers({}); // an empty list is never refused
}

void cluster_side::must_stop(const failure& why) {
    {
        const std::lock_guard guard{mutex_};
        if (why_stopped_) return;
        why_stopped_ = why;
    }
    log_.error("this node stops", {{"node", std::uint64_t{self().value}}, {"why", to_string(why)}});
    on_stop_();
}

std::optional<failure> cluster_side::why_stopped() const {
    const std::lock_guard guard{mutex_};
    return why_stopped_;
}

// Its own record, when there is none or it says something else. One that says `removed` stays as it is. A version
// that the others have outgrown is found out here, before it writes; one whose record stands is not asked again, so
// that no stranger's record can stop it.
void cluster_side::make_itself_known(const std::vector<kept_member>& members) {
    member me;
    me.number = self();
    me.name = "node-" + std::to_string(settings_.node.value);
    const endpoint& rpc = settings_.advertise_rpc.host.empty() ? rpc_ : settings_.advertise_rpc;
    me.peer = {settings_.advertised_peer().host, settings_.advertised_peer().port};
    me.rpc = {rpc.host, rpc.port};
    me.zone = settings_.zone;
    me.state = member_state::active;
    me.fingerprint = fingerprint_;
    write_own_version(me);
    me.first_seen = wall_clock_now();
    std::uint64_t revision = 0;
    const auto found = std::ranges::find_if(members, [&](const kept_member& m) { return m.what.number == self(); });
    if (found != members.end()) {
        revision = found->revision;
        me.first_seen = found->what.first_seen;
        me.state = found->what.state == member_state::joining ? member_state::active : found->what.state;
        if (me == found->what || found->what.state == member_state::removed) return;
    }
    if (const auto fits = may_serve(plain_members(members), me); !fits) return leave_cluster(fits.error());
    {
        const std::lock_guard guard{mutex_};
        if (std::exchange(registering_, true)) return;
    }
    members_->put_member(me, revision, [this, log = log_](const expected<std::uint64_t>& done) {
        {
            const std::lock_guard guard{mutex_};
            registering_ = false;
        }
        if (!done) log.warn("this node's record was not written", {{"why", to_string(done.error())}});
    });
}

void cluster_side::place() {
    if (why_stopped()) return;
    placer_->place(members_->members(), configs_->configs());
}

// Who was never heard in this life counts from its beginning.
std::map<node_id, milliseconds> cluster_side::silences() const {
    std::map<node_id, milliseconds> silent;
    const auto life = std::chrono::duration_cast<milliseconds>(steady_now() - began_);
    for (const peer_statistics& peer : network_->statistics())
        if (!peer.up) silent[peer.node] = peer.last_heard_age.count() < 0 ? life : peer.last_heard_age;
    return silent;
}

void cluster_side::look_again() {
    // Its first try may have been made from a copy that did not have the record it was let in with.
    if (!why_stopped()) make_itself_known(members_->members());
    place();
    operations_->look_again();
    joining_->announce();
}

void cluster_side::propose_config(shard_id shard, const shard_config& config) {
    if (why_stopped()) // as if the store had refused it
        return caf::anon_send(
            journal_, config_settled{shard, replica_machine::answer::refused, config.version, std::nullopt});
    configs_->propose(shard, config,
                      [journal = journal_, shard, asked = config.version](replica_machine::answer how,
                                                                          std::optional<shard_config> there) {
                          caf::anon_send(journal, config_settled{shard, how, asked, std::move(there)});
                      });
}

// ---- options and looks
// ----------------------------------------------------------------------------------------------

replicated_journal_options cluster_side::journal_options(store& data) {
    replicated_journal_options options;
    options.data = &data;
    options.log = log_store_.get();
    options.self = self();
    options.timing.lease = settings_.lease;
    options.timing.grace = settings_.grace;
    options.timing.min_in_sync = settings_.min_in_sync;
    options.shards = shards_;
    options.steady = steady_now;
    options.send = [outbox = outbox_](node_id to, replicated_journal_options::channel channel, const bytes& frame) {
        const bool bulk = channel == replicated_journal_options::channel::bulk;
        return outbox->send(to, bulk ? peer_channel::bulk : peer_channel::control, peer_kind::replica, frame);
    };
    options.propose_config = [this](shard_id shard, const shard_config& config) { propose_config(shard, config); };
    options.on_fault = [log = log_](const std::string& what) { log.error("replica", {{"what", what}}); };
    return options;
}

health_answer cluster_side::ready() const {
    if (const auto why = why_stopped()) return {false, why->detail};
    return judge_replicas(*board_, steady_now());
}

std::string cluster_side::metrics_text() const {
    return replica_metrics_text(*board_) + peer_metrics_text(network_->statistics()) +
           control_metrics_text(*control_meter_);
}

} // namespace coppice
