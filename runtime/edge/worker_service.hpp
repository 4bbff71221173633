// WorkerService of api.capnp, and the session of an attached worker.
//
// A session is two halves: on the edge's loop the link (this file), which talks to the worker; among the actors the
// session actor, which the shard hands attempts to. The link owns the session: when the connection goes, or the
// worker is silent for too long, the session actor ends, and its attempts wait a grace for the worker to come back.
#pragma once

#include <kj/timer.h>
#include <unordered_set>

#include "runtime/edge/call_guard.hpp"

namespace coppice {

class worker_link;
struct session_start {
    worker_id worker;
    std::shared_ptr<worker_link> link;
    executor_port shard;
};

// Turns what the shard says into calls on the link; its end closes the link.
struct session_state {
    session_state() = default;
    session_state(const session_state&) = delete;
    session_state& operator=(const session_state&) = delete;
    ~session_state();
    std::shared_ptr<worker_link> link;
};
executor_handle::behavior_type worker_session_actor(executor_handle::stateful_pointer<session_state> self,
                                                    tree_handle card, session_start start);
// The template of the supervisor of sessions.
dynamic_spec worker_session_supervisor();

// Names sessions apart within this life of the node. The loop's own.
struct worker_counter {
    std::uint32_t last = 0;
};

class worker_service final : public api::WorkerService::Server {
  public:
    worker_service(edge_context& edge, kj::Timer& timer, worker_counter& counter, session_identity identity)
        : edge_(edge), timer_(timer), counter_(counter), identity_(std::move(identity)) {}

  protected:
    kj::Promise<void> attach(AttachContext context) override;

  private:
    kj::Promise<void> attach_known(AttachContext context); // its tenant is declared here, or nowhere
    expected<tenant_id> bound_tenant() const;

    edge_context& edge_;
    kj::Timer& timer_;
    worker_counter& counter_;
    session_identity identity_;
};

} // namespace coppice
