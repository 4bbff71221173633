// The directory of a node of a cluster: its key and certificate, the keys that tokens are checked with, and a
// configuration that `coppice serve --config` takes.
//
//   DATA/node.yaml   DATA/keys/*   DATA/cluster/{node.key, node.pem, trusted.pem}, etcd's files
//
// Synchronous file I/O; everything is for its owner alone. Errors name the file.
#pragma once

#include <filesystem>
#include <optional>

#include "cluster/identity/node_key.hpp"
#include "runtime/config/node_config.hpp"
#include "runtime/joining/join_wire.hpp"

namespace coppice {

// DATA, DATA/cluster and DATA/keys, absolute.
struct node_directory {
    std::filesystem::path data;
    std::filesystem::path identity() const { return data / "cluster"; }
    std::filesystem::path keys() const { return data / "keys"; }
    std::filesystem::path config() const { return data / "node.yaml"; }
};
expected<node_directory> make_node_directory(const std::filesystem::path& data);

// The settings that point to the files of such a directory.
cluster_settings settings_in(const node_directory& directory);

// Writes the configuration, after it was read as the node will read it.
// Completed by what follows from the directory and from who can reach it: data, auth.keys, tls.
expected<void> write_node_config(const node_directory& directory, node_config config);

struct join_options {
    std::string token; // as text; white space around it does no harm
    endpoint at;       // a node that lets others in
    std::filesystem::path data;
    node_config config; // the new node's own wishes: listen, metrics_listen, exec
    endpoint peer_listen;
    std::string zone;
};
// Joins, and makes the directory. Nothing is there before the cluster has said yes, but the key.
expected<node_directory> join_cluster(const join_options& options, instant now);

} // namespace coppice
