#include "runtime/joining/node_files.hpp"

#include <nlohmann/json.hpp>

#include "cluster/identity/identity_files.hpp"
#include "cluster/membership/own_version.hpp"
#include "persistence/secret_file.hpp"
#include "runtime/config/yaml_writer.hpp"
#include "runtime/joining/join_call.hpp"

namespace coppice {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using place = joining::Answer::Place;

fs::path path_of(const node_directory& directory, const shared_file& file) {
    switch (file.place) {
    case place::TOKEN_KEY:
        return directory.keys() / file.name;
    case place::ETCD_CA:
        return directory.identity() / "etcd-ca.pem";
    case place::ETCD_CERTIFICATE:
        return directory.identity() / "etcd-client.pem";
    case place::ETCD_KEY:
        return directory.identity() / "etcd-client.key";
    case place::ETCD_PASSWORD:
        break;
    }
    return directory.identity() / "etcd.password";
}

// Puts the file where it belongs, and the settings on it.
expected<void> place_file(const node_directory& directory, const shared_file& file, etcd_settings& etcd) {
    const std::string path = path_of(directory, file).string();
    if (auto done = replace_secret_file(path, file.content); !done) return done;
    if (file.place == place::ETCD_CA) etcd.ca = path;
    if (file.place == place::ETCD_CERTIFICATE) etcd.certificate = path;
    if (file.place == place::ETCD_KEY) etcd.key = path;
    if (file.place == place::ETCD_PASSWORD) etcd.password_file = path;
    return {};
}

void set_unless_empty(ordered_json& object, const char* field, const std::string& text) {
    if (!text.empty()) object[field] = text;
}

ordered_json etcd_json(const etcd_settings& etcd) {
    ordered_json json{{"endpoints", etcd.endpoints}, {"prefix", etcd.prefix}};
    set_unless_empty(json, "ca", etcd.ca);
    set_unless_empty(json, "certificate", etcd.certificate);
    set_unless_empty(json, "key", etcd.key);
    set_unless_empty(json, "user", etcd.user);
    set_unless_empty(json, "password_file", etcd.password_file);
    return json;
}

ordered_json cluster_json(const cluster_settings& cluster) {
    ordered_json json{{"name", cluster.name}, {"node", cluster.node.value}};
    set_unless_empty(json, "zone", cluster.zone);
    json["shards"] = cluster.shards;
    json["peer_listen"] = to_string(cluster.peer_listen);
    if (!cluster.join_listen.host.empty()) json["join_listen"] = to_string(cluster.join_listen);
    json["certificate"] = cluster.certificate;
    json["key"] = cluster.key;
    json["ca"] = cluster.ca;
    json["etcd"] = etcd_json(cluster.etcd);
    json["min_in_sync"] = cluster.min_in_sync;
    json["lease"] = format_duration(cluster.lease);
    json["grace"] = format_duration(cluster.grace);
    return json;
}

std::string text_of(const node_config& config) {
    ordered_json json{{"data", config.data},
                      {"listen", to_string(config.listen)},
                      {"metrics_listen", to_string(config.metrics_listen)}};
    if (config.tls.enabled()) json["tls"] = {{"certificate", config.tls.certificate}, {"key", config.tls.key}};
    if (!config.auth.keys.empty()) json["auth"] = {{"keys", config.auth.keys}};
    json["exec"] = {{"slots", config.exec.slots}};
    json["cluster"] = cluster_json(*config.cluster);
    return "# Node " + std::to_string(config.cluster->node.value) + " of cluster " + config.cluster->name +
           ": coppice serve --config THIS\n" + to_yaml_text(json);
}

// The key of an earlier try is taken again.
expected<node_key> key_in(const node_directory& directory) {
    auto there = load_node_key(directory.identity().string());
    if (there || there.error().code != errc::not_found) return there;
    auto key = make_node_key();
    if (!key) return key;
    if (auto done = create_node_key_file(directory.identity().string(), *key); !done)
        return tl::unexpected(done.error());
    return key;
}

node_config granted_config(const node_directory& directory, const join_options& options, const join_grant& grant,
                           const std::string& cluster) {
    node_config config = options.config;
    cluster_settings& settings = config.cluster.emplace(settings_in(directory));
    settings.name = cluster;
    settings.node = grant.number;
    settings.zone = options.zone;
    settings.peer_listen = options.peer_listen;
    settings.shards = grant.shards;
    settings.min_in_sync = grant.min_in_sync;
    settings.lease = grant.lease;
    settings.grace = grant.grace;
    settings.etcd.endpoints = grant.etcd_endpoints;
    settings.etcd.prefix = grant.etcd_prefix;
    settings.etcd.user = grant.etcd_user;
    return config;
}

expected<void> keep(const node_directory& directory, const join_grant& grant, node_config config, instant now) {
    for (const shared_file& file : grant.files)
        if (auto done = place_file(directory, file, config.cluster->etcd); !done) return done;
    if (auto done =
            save_node_certificate(directory.identity().string(), grant.certificate_pem, grant.authority_pem, now);
        !done)
        return done;
    return write_node_config(directory, std::move(config));
}

} // namespace

expected<node_directory> make_node_directory(const fs::path& data) {
    const node_directory directory{fs::absolute(data)};
    for (const fs::path& each : {directory.data, directory.identity(), directory.keys()}) {
        std::error_code error;
        fs::create_directories(each, error);
        if (!error) fs::permissions(each, fs::perms::owner_all, error);
        if (error) return fail(errc::invalid_argument, each.string() + " cannot be made: " + error.message());
    }
    return directory;
}

cluster_settings settings_in(const node_directory& directory) {
    cluster_settings settings;
    settings.certificate = (directory.identity() / "node.pem").string();
    settings.key = (directory.identity() / "node.key").string();
    settings.ca = (directory.identity() / "trusted.pem").string();
    return settings;
}

expected<void> write_node_config(const node_directory& directory, node_config config) {
    config.data = directory.data.string();
    config.auth.keys = directory.keys().string();
    // What other machines reach is spoken to over TLS, for which the node's certificate is as good.
    if (!is_loopback(config.listen) || !is_loopback(config.metrics_listen))
        config.tls = {config.cluster->certificate, config.cluster->key};
    const std::string text = text_of(config);
    if (const auto parsed = parse_node_config(text, directory.config().string()); !parsed)
        return tl::unexpected(to_failure(parsed.error()));
    return replace_secret_file(directory.config().string(), text);
}

expected<node_directory> join_cluster(const join_options& options, instant now) {
    const auto token = parse_join_token(options.token, now);
    if (!token) return tl::unexpected(token.error());
    auto directory = make_node_directory(options.data);
    if (!directory) return directory;
    const auto key = key_in(*directory);
    if (!key) return tl::unexpected(key.error());
    auto signing_request = make_signing_request(*key);
    if (!signing_request) return tl::unexpected(signing_request.error());
    join_request request;
    request.signing_request = std::move(*signing_request);
    request.wanted.peer = {options.peer_listen.host, options.peer_listen.port};
    request.wanted.rpc = {options.config.listen.host, options.config.listen.port};
    request.wanted.zone = options.zone;
    write_own_version(request.wanted);
    const auto grant = ask_to_join(options.at, *token, std::move(request), now);
    if (!grant) return tl::unexpected(grant.error());
    if (auto kept = keep(*directory, *grant, granted_config(*directory, options, *grant, token->cluster), now);
        !kept)
        return tl::unexpected(kept.error());
    return directory;
}

} // namespace coppice
