// The router of a node: whoever proposes, reads or runs attempts on this node talks to it as if every shard's
// primary were here, and it sees to it that the node that is gets to hear of it.
//
// Intuition: a switchboard. A proposal goes to the journal here, or to the primary's; when the primary changes
// while it is under way it is tried again, which is safe because a submission's id was made before it was sent (it
// is answered as `existing` the second time), and attempts carry their fencing number. After `route_patience` it is
// refused: unavailable when it cannot have happened, unknown_outcome when it may have.
//
// When this node serves a shard, the router grows the shard's actors, and fells them when it does not any more. A
// new primary, or new actors, know no executors: it says `serving`, with a generation, to all nodes, and their
// routers introduce theirs: each says which of the shard's attempts it holds, and goes on with them.
//
// One actor; a shard_router for each shard, and an executor_desk for what the shards share.
#pragma once

#include "actors/governance/control_actor.hpp"
#include "actors/interfaces.hpp"
#include "actors/supervision/supervisor_actor.hpp"
#include "cluster/peers/peer_outbox.hpp"
#include "cluster/replication/replica_journal_actor.hpp"
#include "schema/random_number.hpp"

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
// An executor that is attached to this node says what it holds of the shard.
struct executor_presented {
    shard_id shard;
    worker_id worker;
    std::uint64_t turn = 0; // of the question
    std::vector<attempt_ref> holds;
};
struct executor_lost {
    shard_id shard;
    worker_id worker;
};
struct router_tick {};
struct serving_again {};

using router_handle =
    journal_handle::extend<caf::reacts_to<executor_up>, caf::reacts_to<executor_down>,
                           caf::reacts_to<attempt_heard>, caf::reacts_to<read_wanted>, caf::reacts_to<route_frame>,
                           caf::reacts_to<peer_linked>, caf::reacts_to<role_seen>, caf::reacts_to<slots_seen>,
                           // To itself.
                           caf::reacts_to<proposal_rescued>, caf::reacts_to<executor_presented>,
                           caf::reacts_to<executor_lost>, caf::reacts_to<serving_again>,
                           caf::reacts_to<router_tick>>;

struct router_options {
    // Each shard's own scheduler, when it runs here; their relays. One a shard of the cluster, by number from 0.
    std::vector<shard_handle> schedulers;
    replica_journal_handle journal;
    caf::actor shards;  // dynamic supervisor: a child is the tree of a shard's actors, its argument the shard_id
    caf::actor remotes; // dynamic supervisor of remote executors
    std::shared_ptr<peer_outbox> outbox;
    std::shared_ptr<replica_board> board;
    std::shared_ptr<inflight_gate> gate;
    std::function<std::vector<node_id>()> links;  // that are up when it starts
    std::function<instant()> steady = steady_now; // as the journal's
    // Where the numbers of its calls begin: elsewhere in every life, since what the last one asked may be answered
    // yet.
    std::function<std::uint64_t()> first_call = random_number;
};

class shard_router;
class executor_desk;

struct router_state {
    std::vector<std::shared_ptr<shard_router>> shards; // by number
    std::shared_ptr<executor_desk> desk;
    std::set<node_id> linked;
    std::uint64_t next_id = 0;
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
struct allowed_unsafe_message_type<coppice::executor_presented> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::executor_lost> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::router_tick> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::serving_again> : std::true_type {};
} // namespace caf
