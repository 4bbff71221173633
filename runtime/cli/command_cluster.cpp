// coppice cluster init | add: makes a cluster's identity and its nodes' directories, ready to be carried to their
// machines; no node is asked, and nothing leaves this machine: it works air-gapped. coppice cluster token: asks a
// node for a token with which another one joins over the network.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cluster/identity/identity_files.hpp"
#include "runtime/auth/key_file.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/joining/node_files.hpp"
#include "runtime/node/control_file.hpp"

namespace coppice::cli {
namespace {

namespace fs = std::filesystem;

struct cluster_flags {
    output_format format = output_format::table;
    std::string name = "coppice";
    std::string from; // the directory of the first node, which has the authority
    std::string data;
    std::string host = "127.0.0.1";
    std::string zone;
    std::uint16_t rpc_port = 7400, metrics_port = 7401, peer_port = 7410;
    std::uint16_t join_port = 0; // 0: nobody is let in there
    std::vector<std::string> etcd{"http://127.0.0.1:2379"};
    std::uint32_t exec_slots = limits::exec_slots_default;
    std::uint32_t shards = limits::cluster_shards_default;
};

node_config config_of(const cluster_flags& flags, const std::string& cluster, std::uint32_t number,
                      const node_directory& directory) {
    node_config config;
    config.listen = {flags.host, flags.rpc_port};
    config.metrics_listen = {flags.host, flags.metrics_port};
    config.exec.slots = flags.exec_slots;
    cluster_settings& settings = config.cluster.emplace(settings_in(directory));
    settings.name = cluster;
    settings.node = node_id{number};
    settings.zone = flags.zone;
    settings.shards = flags.shards;
    settings.peer_listen = {flags.host, flags.peer_port};
    if (flags.join_port != 0) settings.join_listen = {flags.host, flags.join_port};
    settings.etcd.endpoints = flags.etcd;
    settings.etcd.prefix = "/coppice/" + cluster + "/";
    return config;
}

// The node's key and certificate, and its configuration.
expected<fs::path> make_node(const authority& by, std::uint32_t number, const cluster_flags& flags) {
    const auto directory = make_node_directory(flags.data);
    if (!directory) return tl::unexpected(directory.error());
    const std::string identity = directory->identity().string();
    const auto key = make_node_key();
    if (!key) return tl::unexpected(key.error());
    if (auto done = create_node_key_file(identity, *key); !done) return tl::unexpected(done.error());
    const auto request = make_signing_request(*key);
    if (!request) return tl::unexpected(request.error());
    const instant now = wall_clock_now();
    const std::string& cluster = by.identity().cluster;
    const auto certificate =
        issue_certificate(by, *request, {node_id{number}, certificate_hosts(cluster, {flags.host}), now});
    if (!certificate) return tl::unexpected(certificate.error());
    if (auto done = save_node_certificate(identity, *certificate, by.certificate_pem(), now); !done)
        return tl::unexpected(done.error());
    if (auto done = write_node_config(*directory, config_of(flags, cluster, number, *directory)); !done)
        return tl::unexpected(done.error());
    return directory->config();
}

exit_status tell(invocation& call, const cluster_flags& flags, std::uint32_t number,
                 const expected<fs::path>& config) {
    if (!config) return call.refuse(config.error());
    if (flags.format == output_format::json)
        call.con.print(json_object{}.number("node", number).text("config", config->string()).done() + "\n");
    else
        call.con.print(config->string() + "\n");
    if (call.con.out_is_terminal())
        call.say("node " + std::to_string(number) + ": coppice serve --config " + config->string());
    return exit_status::ok;
}

exit_status run_init(invocation& call, const cluster_flags& flags) {
    const auto made = make_authority(flags.name, wall_clock_now());
    if (!made) return call.refuse(made.error());
    const auto directory = make_node_directory(flags.data);
    if (!directory) return call.refuse(directory.error());
    const std::string identity = directory->identity().string();
    if (auto done = create_authority_files(identity, *made); !done) return call.refuse(done.error());
    // Tokens are good at every node: all have this key.
    if (auto key = create_hs256_key_file((directory->keys() / "node.jwk").string(), "node"); !key)
        return call.refuse(key.error());
    const auto number = take_node_number(identity, node_id{1});
    if (!number) return call.refuse(number.error());
    return tell(call, flags, number->value, make_node(*made, number->value, flags));
}

// Into how many shards the cluster is divided, as its first node's configuration says.
expected<std::uint32_t> shards_of_cluster(const fs::path& from) {
    const auto config = load_node_config(from / "node.yaml");
    if (!config) return tl::unexpected(to_failure(config.error()));
    if (!config->cluster) return fail(errc::invalid_argument, from.string() + " is not a node of a cluster");
    return config->cluster->shards;
}

exit_status run_add(invocation& call, cluster_flags flags) {
    const fs::path from = fs::absolute(flags.from), data = fs::absolute(flags.data);
    const auto by = load_authority((from / "cluster").string());
    if (!by) return call.refuse(by.error());
    const auto shards = shards_of_cluster(from);
    if (!shards) return call.refuse(shards.error());
    flags.shards = *shards;
    const auto number = take_node_number((from / "cluster").string(), node_id{1});
    if (!number) return call.refuse(number.error());
    const auto config = make_node(*by, number->value, flags);
    if (config) {
        std::error_code error;
        fs::copy(from / "keys", data / "keys", fs::copy_options::recursive, error);
        if (error)
            return call.refuse({errc::invalid_argument, (data / "keys").string() + ": " + error.message(), 0});
    }
    return tell(call, flags, number->value, config);
}

// ---- cluster token

struct join_token_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string lifetime; // a duration; empty: the cluster's default
};

exit_status run_token(invocation& call, const join_token_flags& flags) {
    milliseconds lifetime{0};
    if (!flags.lifetime.empty()) {
        const auto parsed = parse_duration(flags.lifetime);
        if (!parsed) return call.refuse({errc::invalid_argument, "--for takes a duration, as 10m or 1d", 0});
        lifetime = *parsed;
    }
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto made = node.make_join_token(lifetime);
    if (!made) return call.refuse(made.error());
    if (flags.format == output_format::json) {
        std::string desks;
        for (const std::string& each : made->desks)
            desks += (desks.empty() ? "" : ",") + nlohmann::json(each).dump();
        call.con.print(json_object{}
                           .text("token", made->token)
                           .text("expires", to_rfc3339(made->expires))
                           .raw("desks", "[" + desks + "]")
                           .done() +
                       "\n");
        return exit_status::ok;
    }
    call.con.print(made->token + "\n");
    call.say("good once, until " + to_rfc3339(made->expires) +
             ", and as secret as the cluster's keys; on the new "
             "machine: coppice serve --join TOKEN --at " +
             made->desks.front() + " --data DIR --listen HOST:7400 --peer-listen HOST:7410");
    return exit_status::ok;
}

// ---- cluster migrate

struct migrate_flags {
    output_format format = output_format::table;
    std::string from, config;
};

exit_status run_migrate(invocation& call, const migrate_flags& flags) {
    const auto config = load_node_config(flags.config);
    if (!config) return call.refuse(to_failure(config.error()));
    if (!config->cluster)
        return call.refuse({errc::invalid_argument, flags.config + " is not of a node of a cluster", 0});
    const auto done = migrate_node(fs::absolute(flags.from), *config->cluster);
    if (!done) return call.refuse(done.error());
    if (flags.format == output_format::json) {
        call.con.print(json_object{}.number("copied", done->copied).number("present", done->present).done() + "\n");
        return exit_status::ok;
    }
    call.con.print(std::to_string(done->copied + done->present) + " records are the cluster's now\n");
    call.say("the jobs of " + flags.from + " stay there: let them end before, or serve it until they have");
    return exit_status::ok;
}

void add_node_flags(CLI::App& app, cluster_flags& flags) {
    app.add_option("--data", flags.data, "The node's data directory, to be made")->required();
    app.add_option("--host", flags.host, "Where the others reach the node (default: 127.0.0.1)");
    app.add_option("--port", flags.rpc_port, "For clients and workers (default: 7400)");
    app.add_option("--metrics-port", flags.metrics_port, "For Prometheus and probes (default: 7401)");
    app.add_option("--peer-port", flags.peer_port, "For the other nodes (default: 7410)");
    app.add_option("--zone", flags.zone, "What fails together: a rack, a room; replicas are spread over zones");
    app.add_option("--etcd", flags.etcd, "Endpoints of etcd (default: http://127.0.0.1:2379)");
    app.add_option("--exec-slots", flags.exec_slots, "Subprocesses at a time, of the exec executor");
    add_output_flag(app, flags.format);
}

} // namespace

void add_cluster_commands(const command_registry& commands) {
    auto* cluster = commands.root.add_subcommand("cluster", "Several nodes as one system");
    cluster->require_subcommand(1);

    auto first = std::make_shared<cluster_flags>();
    auto* init = cluster->add_subcommand(
        "init", "Make a cluster's authority, and its first node's directory; prints the configuration's path");
    init->add_option("--shards", first->shards,
                     "Into how many the tenants are divided, each led by one node at a time; for good (default: 3)")
        ->check(CLI::Range(1U, limits::cluster_shards_max));
    init->add_option("--name", first->name, "The cluster's (default: coppice)");
    first->join_port = 7411;
    init->add_option("--join-port", first->join_port,
                     "Where new nodes ask to be let in (coppice cluster token); 0: nowhere (default: 7411)");
    add_node_flags(*init, *first);
    teach(*init,
          {"coppice cluster init --name oak --data ./n1 --host 10.0.0.1 --etcd http://10.0.0.9:2379",
           "coppice serve --config ./n1/node.yaml"},
          false);
    commands.on_chosen(*init, "cluster init", [first](invocation& call) { return run_init(call, *first); });

    auto more = std::make_shared<cluster_flags>();
    auto* add = cluster->add_subcommand(
        "add", "Make another node's directory, with keys of its own; carry it to its machine and serve it");
    add->add_option("--from", more->from, "The first node's data directory, which has the authority")->required();
    add_node_flags(*add, *more);
    teach(*add, {"coppice cluster add --from ./n1 --data ./n2 --host 10.0.0.2 --etcd http://10.0.0.9:2379"}, false);
    commands.on_chosen(*add, "cluster add", [more](invocation& call) { return run_add(call, *more); });

    auto token = std::make_shared<join_token_flags>();
    auto* invite = cluster->add_subcommand(
        "token", "Make a token with which one more node joins: coppice serve --join TOKEN --at HOST:PORT");
    invite->add_option("--for", token->lifetime, "How long it is good, up to 7d (default: 1h)");
    add_output_flag(*invite, token->format);
    add_connection_flags(*invite, token->connection);
    teach(*invite, {"coppice cluster token", "coppice cluster token --for 10m -o json"});
    commands.on_chosen(*invite, "cluster token", [token](invocation& call) { return run_token(call, *token); });

    auto move = std::make_shared<migrate_flags>();
    auto* migrate = cluster->add_subcommand(
        "migrate", "Copy what a node alone has declared into a cluster that was made and not started yet");
    migrate->add_option("--from", move->from, "The data directory of the node, which is stopped")->required();
    migrate->add_option("--config", move->config, "The configuration of a node of the cluster")->required();
    add_output_flag(*migrate, move->format);
    teach(*migrate,
          {"coppice cluster init --name oak --data ./n1 --host 10.0.0.1 --etcd http://10.0.0.9:2379",
           "coppice cluster migrate --from ./coppice-data --config ./n1/node.yaml"},
          false);
    commands.on_chosen(*migrate, "cluster migrate", [move](invocation& call) { return run_migrate(call, *move); });
}

} // namespace coppice::cli
