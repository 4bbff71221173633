// The router of a node: whoever proposes, reads or runs attempts on this node talks to it as if the shard's primary
// were here, and it sees to it that the node that is gets to hear of it.
//
// Intuition: a switchboard. A proposal goes to the journal here, or to the primary's; when the primary changes
// while it is under way it is tried again, which is safe because a submission's id was made before it was sent (it
// is answered as `existing` the second time), and attempts carry their fencing number. After `route_patience` it is
// refused: unavailable when it cannot have happened, unknown_outcome when it may have.
//
// When this node serves the shard, the router grows the shard's actors, and fells them when it does not any more. A
// new primary, or new actors, know no executors: it says `serving`, with a generation, to all nodes, and their
// routers end what is introduced elsewhere; workers attach again at once and present what they run, as after a
// restart of one node.
#pragma once

#include "actors/governance/control_actor.hpp"
#include "actors/interfaces.hpp"
#include "actors/supervision/supervisor_actor.hpp"
#include "cluster/peers/peer_outbox.hpp"
#include "cluster/replication/replica_journal_actor.hpp"

namespace coppice {

struct route_frame {
    node_id from;
    std::shared_ptr<const bytes> body;
    std::shared_ptr<const void> hold;
};
// The journal says what this node's replica of a shard has become.
struct role_seen {
    shard_id shard;
    replica_role role{};
    std::uint64_t epoch = 0;
};
// A proposal was refused for want of a primary: try it again.
struct proposal_rescued {
    proposal_ptr what;
    failure why;
    instant until = never; // steady
};
// `done` is called once, on any thread: from then on the tables of this node hold all that was acknowledged before
// the call. unavailable: nobody may say so.
struct read_wanted {
    shard_id shard;
    std::function<void(expected<void>)> done;
};
struct executor_lost {
    worker_id worker;
};
struct router_tick {};
struct serving_again {};

using router_handle =
    journal_handle::extend<caf::reacts_to<executor_up>, caf::reacts_to<executor_down>,
                           caf::reacts_to<attempt_heard>, caf::reacts_to<read_wanted>, caf::reacts_to<route_frame>,
                           caf::reacts_to<peer_linked>, caf::reacts_to<role_seen>,
                           // To itself.
                           caf::reacts_to<proposal_rescued>, caf::reacts_to<executor_lost>,
                           caf::reacts_to<serving_again>, caf::reacts_to<router_tick>>;

struct router_options {
    shard_id shard{};
    node_id self{};
    replica_journal_handle journal;
    shard_handle scheduler; // the shard's own, when it runs here; its relay
    caf::actor shards;      // dynamic supervisor: a child is the tree of a shard's actors
    caf::actor remotes;     // dynamic supervisor of remote executors
    std::shared_ptr<peer_outbox> outbox;
    std::shared_ptr<replica_board> board;
    std::shared_ptr<inflight_gate> gate;
    std::function<std::vector<node_id>()> links; // that are up when it starts
};

struct router_state {
    struct routed {
        proposal_ptr what;
        instant until = never;
        instant again_at = never;
        node_id sent_to{};  // 0: nobody yet
        bool maybe = false; // it may have been done
    };
    struct read {
        std::function<void(expected<void>)> done;
        instant until = never;
        bool asked = false;
    };
    struct introduced {
        executor_handle handle;
        worker_attached offer; // slots 0: not offered yet
        bool told = false;     // to the primary that is now
    };
    struct remote {
        node_id node;
        caf::actor handle; // null: being started
        worker_attached offer;
    };
    struct leader {
        node_id node{}; // 0: not known, or this node
        std::uint64_t epoch = 0;
        std::uint64_t generation = 0;
        bool operator==(const leader&) const = default;
    };
    bool wanted_here = false; // this node's replica serves
    bool serving = false;     // and the shard's actors run
    bool starting = false;
    child_key tree_key;
    caf::actor tree;
    std::uint64_t epoch = 0;
    std::uint64_t generation = 0;
    leader there;
    std::set<node_id> linked;
    std::uint64_t next_id = 1;
    std::map<std::uint64_t, routed> routing;
    std::map<std::uint64_t, read> reads;
    std::map<worker_id, introduced> executors; // attached to this node
    std::map<worker_id, remote> remotes;       // attached to others, while this node serves
    bool ticking = false;
    tree_handle card;
};

router_handle::behavior_type router_actor(router_handle::stateful_pointer<router_state> self, tree_handle card,
                                          std::shared_ptr<const router_options> options);

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::route_frame> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::role_seen> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::proposal_rescued> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::read_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::executor_lost> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::router_tick> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::serving_again> : std::true_type {};
} // namespace caf
