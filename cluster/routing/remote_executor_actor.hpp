// Stands at the primary for an executor that is attached to another node: what the scheduler tells it goes there.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/supervision/supervisor_actor.hpp"
#include "cluster/peers/peer_outbox.hpp"

namespace coppice {

struct remote_executor_start {
    shard_id shard;
    node_id node;
    worker_id worker;
    std::uint64_t generation = 0; // of the primary's word that the executor answered with its introduction
    std::shared_ptr<peer_outbox> outbox;
    // Something could not be sent: the executor's node must begin anew.
    std::function<void(worker_id)> lost;
};

struct remote_executor_state {
    tree_handle card;
};

executor_handle::behavior_type remote_executor_actor(executor_handle::stateful_pointer<remote_executor_state> self,
                                                     tree_handle card, const remote_executor_start& start);

// The supervisor of all of them; a child's argument is a remote_executor_start.
dynamic_spec remote_executor_supervisor();

} // namespace coppice
