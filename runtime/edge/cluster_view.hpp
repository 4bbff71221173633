// The cluster as the edge sees it: what operators may look at, and what they may order. So that no service knows
// what a cluster is made of. A node alone has none.
//
// Threads: called on the edge's; `done` is called once, on any thread, perhaps before the call returns; not at all
// when the node stops.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

struct cluster_node_row {
    node_id node{};
    std::string name;
    std::string state; // member_state, in words
    std::string zone;  // empty: not known
    std::string rpc;   // host:port
    std::string peer;
    std::uint32_t leads = 0;   // shards
    std::uint32_t in_sync = 0; // those that it leads included
    std::uint32_t holds = 0;   // learners included
    bool is_self = false;
    bool linked = false;              // with this node, which is linked with itself
    std::optional<milliseconds> seen; // since it was heard last; nothing: never in this node's life
    std::uint64_t applied = 0;        // newest log entry in its tables; 0: not known here
};

struct cluster_shard_row {
    shard_id shard{};
    std::uint64_t epoch = 0;
    node_id primary{}; // 0: none yet
    std::vector<node_id> in_sync;
    std::vector<node_id> replicas;
    std::string role;          // of this node's replica, in words
    std::uint64_t applied = 0; // newest log entry in the tables here
    bool lease_valid = false;  // this node leads it, and may read and acknowledge now
};

struct cluster_invitation {
    std::string token; // a secret
    instant expires{};
    std::vector<std::string> desks; // "host:port"
};

enum class node_change : std::uint8_t { drain, resume, remove };

class cluster_view {
  public:
    struct move_refused {
        failure why;
        node_id primary{}; // with errc::not_primary: whom to ask; 0: nobody leads it now
    };
    using change_done = std::function<void(expected<void>)>;
    using move_done = std::function<void(tl::expected<void, move_refused>)>;

    using invite_done = std::function<void(expected<cluster_invitation>)>;

    virtual ~cluster_view() = default;
    virtual std::vector<cluster_node_row> nodes() const = 0;   // by number
    virtual std::vector<cluster_shard_row> shards() const = 0; // by number
    // Whether all members have it (cluster/membership/own_version.hpp).
    virtual bool has_feature(std::string_view feature) const = 0;
    // Writes the member's new state. Errors: as api.capnp says, and those of the control store.
    virtual void change_node(node_id node, node_change change, change_done done) = 0;
    // Has this node hand the shard to `to`; answered when `to` leads, or limits::hand_over_patience is over.
    virtual void move_shard(shard_id shard, node_id to, move_done done) = 0;
    // A token for one more node.
    virtual void invite(std::chrono::seconds lifetime, invite_done done) = 0;
};

} // namespace coppice
