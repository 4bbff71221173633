// coppice cluster: makes a cluster's identity and its nodes' directories, ready to be carried to their machines. No
// node is asked, and nothing leaves this machine: it works air-gapped.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cluster/identity/identity_files.hpp"
#include "runtime/auth/key_file.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/config/node_config.hpp"

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
    std::vector<std::string> etcd{"http://127.0.0.1:2379"};
    std::uint32_t exec_slots = limits::exec_slots_default;
    std::uint32_t shards = limits::cluster_shards_default;
};

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

// Every string is written as JSON, which YAML takes as it is.
std::string config_text(const cluster_flags& flags, const std::string& cluster, std::uint32_t number,
                        const fs::path& data) {
    const std::string identity = (data / "cluster").string();
    const auto at = [&](std::uint16_t port) { return quoted(flags.host + ":" + std::to_string(port)); };
    std::string etcd;
    for (const std::string& each : flags.etcd) etcd += (etcd.empty() ? "" : ", ") + quoted(each);
    return "# Node " + std::to_string(number) + " of cluster " + cluster + ": coppice serve --config THIS\n" +
           "data: " + quoted(data.string()) + "\nlisten: " + at(flags.rpc_port) +
           "\nmetrics_listen: " + at(flags.metrics_port) + "\nexec:\n  slots: " + std::to_string(flags.exec_slots) +
           "\ncluster:\n  name: " + quoted(cluster) + "\n  node: " + std::to_string(number) +
           (flags.zone.empty() ? std::string{} : "\n  zone: " + quoted(flags.zone)) +
           "\n  shards: " + std::to_string(flags.shards) + "\n  peer_listen: " + at(flags.peer_port) +
           "\n  certificate: " + quoted(identity + "/node.pem") + "\n  key: " + quoted(identity + "/node.key") +
           "\n  ca: " + quoted(identity + "/trusted.pem") + "\n  etcd:\n    endpoints: [" + etcd +
           "]\n    prefix: " + quoted("/coppice/" + cluster + "/") + "\n";
}

expected<void> write_file(const fs::path& path, const std::string& text) {
    std::ofstream{path} << text;
    std::error_code error;
    if (fs::file_size(path, error) == text.size() && !error) return {};
    return fail(errc::invalid_argument, path.string() + " cannot be written");
}

// The node's key and certificate, and its configuration.
expected<fs::path> make_node(const authority& by, std::uint32_t number, const cluster_flags& flags) {
    const fs::path data = fs::absolute(flags.data);
    const std::string identity = (data / "cluster").string();
    std::error_code error;
    fs::create_directories(identity, error);
    fs::permissions(data, fs::perms::owner_all, error);
    fs::permissions(identity, fs::perms::owner_all, error);
    if (error) return fail(errc::invalid_argument, identity + " cannot be made: " + error.message());
    const auto key = make_node_key();
    if (!key) return tl::unexpected(key.error());
    if (auto done = create_node_key_file(identity, *key); !done) return tl::unexpected(done.error());
    const auto request = make_signing_request(*key);
    if (!request) return tl::unexpected(request.error());
    const instant now = wall_clock_now();
    const auto certificate = issue_certificate(by, *request, {node_id{number}, {flags.host}, now});
    if (!certificate) return tl::unexpected(certificate.error());
    if (auto done = save_node_certificate(identity, *certificate, by.certificate_pem(), now); !done)
        return tl::unexpected(done.error());
    const fs::path config = data / "node.yaml";
    const std::string text = config_text(flags, by.identity().cluster, number, data);
    if (const auto parsed = parse_node_config(text, config.string()); !parsed)
        return tl::unexpected(to_failure(parsed.error()));
    if (auto done = write_file(config, text); !done) return tl::unexpected(done.error());
    return config;
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
    const fs::path data = fs::absolute(flags.data);
    std::error_code error;
    fs::create_directories(data / "cluster", error);
    fs::permissions(data / "cluster", fs::perms::owner_all, error);
    if (error) return call.refuse({errc::invalid_argument, data.string() + ": " + error.message(), 0});
    if (auto done = create_authority_files((data / "cluster").string(), *made); !done)
        return call.refuse(done.error());
    // Tokens are good at every node: all have this key.
    fs::create_directories(data / "keys", error);
    fs::permissions(data / "keys", fs::perms::owner_all, error);
    if (auto key = create_hs256_key_file((data / "keys" / "node.jwk").string(), "node"); !key)
        return call.refuse(key.error());
    if (auto done = write_file(data / "cluster" / "last-node", "1\n"); !done) return call.refuse(done.error());
    return tell(call, flags, 1, make_node(*made, 1, flags));
}

expected<std::uint32_t> next_number(const fs::path& from) {
    std::uint32_t last = 0;
    std::ifstream{from / "cluster" / "last-node"} >> last;
    if (last == 0) return fail(errc::not_found, from.string() + " is not where a cluster was made");
    return last + 1;
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
    const auto number = next_number(from);
    if (!number) return call.refuse(number.error());
    const auto shards = shards_of_cluster(from);
    if (!shards) return call.refuse(shards.error());
    flags.shards = *shards;
    // First, so that no number is given twice, whatever fails.
    if (auto done = write_file(from / "cluster" / "last-node", std::to_string(*number) + "\n"); !done)
        return call.refuse(done.error());
    const auto config = make_node(*by, *number, flags);
    if (config) {
        std::error_code error;
        fs::copy(from / "keys", data / "keys", fs::copy_options::recursive, error);
        if (error)
            return call.refuse({errc::invalid_argument, (data / "keys").string() + ": " + error.message(), 0});
    }
    return tell(call, flags, *number, config);
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
}

} // namespace coppice::cli
