// The parts of the router, by noun; private to this folder. One thread: the router's.
#pragma once

#include "cluster/routing/route_wire.hpp"
#include "cluster/routing/router_actor.hpp"

namespace coppice {

class router {
  public:
    using pointer = router_handle::stateful_pointer<router_state>;
    router(pointer self, std::shared_ptr<const router_options> options)
        : self_(self), options_(std::move(options)) {}

    // ---- router_proposals.cpp
    void propose(const proposal_ptr& p);
    void rescue(const proposal_rescued& m);
    void read(const read_wanted& m);
    void tick();
    void keep_ticking();

    // ---- router_shard.cpp
    void role_seen_here(const role_seen& m);
    void tree_down(const caf::down_msg& down);
    void link_changed(const peer_linked& m);
    void say_serving_again();

    // ---- router_executors.cpp
    void executor_came(const executor_up& m);
    void offered(const worker_attached& m);
    void draining(const worker_draining& m);
    void detached(const worker_detached& m);
    void executor_went(const executor_down& m);
    void heard(const attempt_heard& m);
    void lost(worker_id worker);

    // ---- router_frames.cpp
    void frame(const route_frame& m);

  private:
    router_state& s() const { return self_->state; }
    bool has_leader() const { return s().there.node != node_id{} && s().linked.contains(s().there.node); }
    bool send(node_id to, peer_channel channel, std::uint64_t id,
              const std::function<void(route::Message::Builder)>& fill) const;
    void tell_leader(const std::function<void(route::Message::Builder)>& fill) const {
        if (has_leader()) send(s().there.node, peer_channel::bulk, 0, fill);
    }

    void pass_here(const proposal_ptr& p, instant until);
    bool try_again(std::uint64_t id, router_state::routed& r);
    void results(node_id from, std::uint64_t id, capnp::List<route::Result>::Reader list);
    void ask_read_point(std::uint64_t id, router_state::read& r);
    void read_point(std::uint64_t id, route::ReadPoint::Reader point);
    void go_on_with_waiting();

    void start_tree();
    void tree_started(const started_children& started);
    void stop_serving();
    void say_serving(node_id to) const;
    void leader_says(node_id from, route::Serving::Reader serving);

    void introduce(worker_id worker, router_state::introduced& e);
    void begin_anew_with_executors();
    void remote_up(node_id from, const worker_attached& offer);
    void remote_started(worker_id worker, const started_children& started);
    void remote_down(worker_id worker, milliseconds grace);
    void assigned(node_id from, route::Assign::Reader a);
    void propose_for(node_id from, std::uint64_t id, route::Propose::Reader p);
    void answer_read_point(node_id from, std::uint64_t id);

    pointer self_;
    std::shared_ptr<const router_options> options_;
};

} // namespace coppice
