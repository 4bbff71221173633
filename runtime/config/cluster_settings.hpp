// The `cluster:` section of a node's configuration: who the node is among others, where they reach it, and where
// the cluster keeps what it has agreed on. Without the section a node is alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/control/etcd_client.hpp"
#include "runtime/config/field_reader.hpp"
#include "runtime/config/quantities.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

struct config_problem;

// Files are PEM; an empty one is not set.
struct etcd_settings {
    std::vector<std::string> endpoints; // "https://host:port", or http; at least one
    std::string prefix = "/coppice/";   // before every key
    std::string ca;                     // file: who may have signed etcd's certificate; empty: the system's
    std::string certificate;            // file, with `key`: shown to etcd
    std::string key;
    std::string user; // with password_file: as whom the node logs in
    std::string password_file;
    bool operator==(const etcd_settings&) const = default;
};

struct cluster_settings {
    std::string name; // of the cluster, is_name; the same at all its nodes
    node_id node{};   // this one's number, from 1, its own for good
    std::string zone; // is_name; empty: a zone of its own
    endpoint peer_listen;
    endpoint join_listen;    // where new nodes ask to be let in; without a host: not here
    endpoint advertise_peer; // where other nodes reach it; without a host: as peer_listen
    endpoint advertise_rpc;  // where clients and workers do; without a host: as `listen`
    std::string certificate; // files, for links between nodes
    std::string key;
    std::string ca;
    etcd_settings etcd;
    // Into how many the tenants are divided. The same at all nodes, and for good: jobs do not move between shards.
    std::uint32_t shards = limits::cluster_shards_default;
    std::uint32_t min_in_sync = limits::cluster_min_in_sync_default; // fewer: a shard takes no new work
    milliseconds lease = limits::cluster_lease_default; // how long a primary may act on a secondary's answer
    milliseconds grace = limits::cluster_grace_default; // of silence, before a secondary takes over
    // Of silence, before another node gets what a silent one holds, where there is one.
    milliseconds lost_after = std::chrono::minutes{5};
    bool operator==(const cluster_settings&) const = default;

    const endpoint& advertised_peer() const { return advertise_peer.host.empty() ? peer_listen : advertise_peer; }
};

// For a client of that etcd. Reads the password's file: errors name it.
expected<etcd_options> options_of(const etcd_settings& etcd);

void read_cluster(field_reader& fields, cluster_settings& cluster);
// What is wrong with the section as a whole; paths begin with "cluster.". `listen`: the node's own.
void check_cluster(const cluster_settings& cluster, const endpoint& listen, std::vector<config_problem>& problems);

} // namespace coppice
