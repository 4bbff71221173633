#include "runtime/config/cluster_settings.hpp"

#include <algorithm>
#include <limits>

#include "cluster/membership/host.hpp"
#include "persistence/secret_file.hpp"
#include "runtime/config/node_config.hpp"
#include "schema/names.hpp"

namespace coppice {

namespace {

constexpr std::string_view plain_scheme = "http://";

void read_address(field_reader& fields, std::string_view field, endpoint& into,
                  presence need = presence::optional) {
    std::string text;
    if (!fields.text(field, text, need)) return;
    if (auto parsed = parse_endpoint(text))
        into = std::move(*parsed);
    else
        fields.error(field, parsed.error().detail);
}

void read_etcd(field_reader& fields, etcd_settings& etcd) {
    fields.texts("endpoints", etcd.endpoints, presence::required);
    fields.text("prefix", etcd.prefix);
    fields.text("ca", etcd.ca);
    fields.text("certificate", etcd.certificate);
    fields.text("key", etcd.key);
    fields.text("user", etcd.user);
    fields.text("password_file", etcd.password_file);
}

class checking {
  public:
    explicit checking(std::vector<config_problem>& problems) : problems_(problems) {}

    void problem(std::string_view field, std::string message) {
        problems_.push_back({"cluster." + std::string{field}, std::move(message)});
    }
    void name(std::string_view field, const std::string& text) {
        if (!is_name(text)) problem(field, "must be a name: a-z, 0-9 and \"-\" inside, not " + shown(text));
    }
    void given(std::string_view field, const std::string& text) {
        if (text.empty()) problem(field, "must name a file");
    }
    // `own`: the field itself was set, rather than what stands in for it.
    void advertised(std::string_view field, const endpoint& where, bool own, std::string_view instead) {
        const bool wild = where.host == "0.0.0.0" || where.host == "::";
        if (!own && (wild || where.port == 0))
            return problem(field, "is required: others cannot reach this node at " + to_string(where) + ", as " +
                                      std::string{instead} + " says");
        if (wild || where.port == 0 || !is_host(where.host))
            problem(field, "must be an address or a name in lower case, and a port, that others can reach, not " +
                               to_string(where));
    }
    void together(std::string_view a, const std::string& a_text, std::string_view b, const std::string& b_text) {
        if (a_text.empty() == b_text.empty()) return;
        problem(a_text.empty() ? a : b,
                "is required: " + std::string{a} + " and " + std::string{b} + " go together");
    }

  private:
    std::vector<config_problem>& problems_;
};

bool is_plain_and_far(const std::string& where) {
    if (!where.starts_with(plain_scheme)) return false;
    const auto parsed = parse_endpoint(std::string_view{where}.substr(plain_scheme.size()));
    return !parsed || !is_loopback(*parsed);
}

void check_etcd(const etcd_settings& etcd, checking& check) {
    etcd_options options;
    options.endpoints = etcd.endpoints;
    if (const auto ok = check_etcd_options(options); !ok) check.problem("etcd.endpoints", ok.error().detail);
    options = {};
    options.endpoints = {"http://localhost:1"};
    options.prefix = etcd.prefix;
    if (const auto ok = check_etcd_options(options); !ok) check.problem("etcd.prefix", ok.error().detail);
    check.together("etcd.certificate", etcd.certificate, "etcd.key", etcd.key);
    check.together("etcd.user", etcd.user, "etcd.password_file", etcd.password_file);
    if (!etcd.user.empty() && std::ranges::any_of(etcd.endpoints, is_plain_and_far))
        check.problem("etcd.user", "would send its password in the clear: use https endpoints");
}

} // namespace

expected<etcd_options> options_of(const etcd_settings& etcd) {
    etcd_options options;
    options.endpoints = etcd.endpoints;
    options.prefix = etcd.prefix;
    options.tls.ca = etcd.ca;
    options.tls.certificate = etcd.certificate;
    options.tls.key = etcd.key;
    options.user = etcd.user;
    if (etcd.password_file.empty()) return options;
    if (const auto mode = read_small_file(etcd.password_file, limits::tls_file_size_max, options.password); !mode)
        return tl::unexpected(mode.error());
    return options;
}

void read_cluster(field_reader& fields, cluster_settings& cluster) {
    fields.text("name", cluster.name, presence::required);
    fields.integer("node", cluster.node.value, 1, std::numeric_limits<std::uint32_t>::max(), presence::required);
    fields.text("zone", cluster.zone);
    read_address(fields, "peer_listen", cluster.peer_listen, presence::required);
    read_address(fields, "join_listen", cluster.join_listen);
    read_address(fields, "advertise_peer", cluster.advertise_peer);
    read_address(fields, "advertise_rpc", cluster.advertise_rpc);
    fields.text("certificate", cluster.certificate, presence::required);
    fields.text("key", cluster.key, presence::required);
    fields.text("ca", cluster.ca, presence::required);
    fields.mapping(
        "etcd", [&](field_reader& etcd) { read_etcd(etcd, cluster.etcd); }, presence::required);
    fields.integer("shards", cluster.shards, 1, limits::cluster_shards_max);
    fields.integer("min_in_sync", cluster.min_in_sync, 1, static_cast<std::uint32_t>(limits::replicas_max));
    fields.duration("lease", cluster.lease, limits::cluster_lease_min, limits::cluster_lease_max);
    fields.duration("grace", cluster.grace, limits::cluster_lease_min, limits::cluster_grace_max);
    fields.duration("lost_after", cluster.lost_after, std::chrono::seconds{1}, std::chrono::days{7});
}

void check_cluster(const cluster_settings& cluster, const endpoint& listen, std::vector<config_problem>& problems) {
    checking check{problems};
    check.name("name", cluster.name);
    if (cluster.node == node_id{}) check.problem("node", "must be from 1");
    if (!cluster.zone.empty()) check.name("zone", cluster.zone);
    if (cluster.peer_listen.port == 0) check.problem("peer_listen", "must name a port: other nodes dial it");
    if (cluster.peer_listen == listen && listen.port != 0)
        check.problem("peer_listen", "must be another address than listen");
    if (!cluster.join_listen.host.empty()) {
        if (cluster.join_listen.port == 0) check.problem("join_listen", "must name a port: new nodes dial it");
        if (cluster.join_listen == listen || cluster.join_listen == cluster.peer_listen)
            check.problem("join_listen", "must be another address than listen and peer_listen");
    }
    const bool own_peer = !cluster.advertise_peer.host.empty(), own_rpc = !cluster.advertise_rpc.host.empty();
    if (own_peer || cluster.peer_listen.port != 0)
        check.advertised("advertise_peer", cluster.advertised_peer(), own_peer, "peer_listen");
    check.advertised("advertise_rpc", own_rpc ? cluster.advertise_rpc : listen, own_rpc, "listen");
    check.given("certificate", cluster.certificate);
    check.given("key", cluster.key);
    check.given("ca", cluster.ca);
    check_etcd(cluster.etcd, check);
    if (cluster.min_in_sync == 0 || cluster.min_in_sync > limits::replicas_max)
        check.problem("min_in_sync", "must be from 1 to " + std::to_string(limits::replicas_max));
    // A primary whose lease is over has stopped before anybody takes over, though the clocks run unlike.
    if (cluster.grace * limits::cluster_grace_divisor < cluster.lease * limits::cluster_grace_factor)
        check.problem("grace", "must be at least 1.3 times the lease of " + format_duration(cluster.lease));
}

} // namespace coppice
