// What the router does for one shard; private to this folder. One thread: the router's.
#pragma once

#include "cluster/routing/route_wire.hpp"
#include "cluster/routing/router_actor.hpp"

namespace coppice {

class shard_router {
  public:
    using pointer = router_handle::stateful_pointer<router_state>;
    shard_router(pointer self, std::shared_ptr<const router_options> options, shard_id shard)
        : self_(self), options_(std::move(options)), shard_(shard) {}

    // ---- router_proposals.cpp
    void propose(const proposal_ptr& p);
    void rescue(const proposal_rescued& m);
    void read(const read_wanted& m);
    void tick();
    bool waits() const { return !routing_.empty() || !reads_.empty(); }

    // ---- router_serving.cpp
    void role_seen_here(const role_seen& m);
    void tree_down(const caf::down_msg& down);
    void link_changed(const peer_linked& m);
    void say_serving_again();
    bool serves() const { return serving_; }

    // ---- router_executors.cpp: those attached here
    void executor_came(const executor_up& m);
    void offered(const worker_attached& m);
    void resized(worker_id worker, std::uint32_t slots, std::uint64_t grant);
    void draining(worker_id worker);
    void detached(worker_id worker);
    void executor_went(const executor_down& m);
    void heard(const attempt_heard& m);
    void presented(const executor_presented& m);
    // ---- ... and those of others, while this node serves
    void lost(worker_id worker);
    // The journal's look at the slots of all executors: tells the nodes of others, gives back those of this one.
    std::vector<seen_slots> pass_on_slots(const slots_seen& m);

    // ---- router_frames.cpp
    void frame(const route_frame& m, route::Message::Reader message);

  private:
    struct routed {
        proposal_ptr what;
        instant until = never;
        instant again_at = never;
        node_id sent_to{};  // 0: nobody yet
        bool maybe = false; // it may have been done
        std::string why;    // it was not, when somebody was asked last
    };
    struct waiting_read {
        std::function<void(expected<void>)> done;
        instant until = never;
        bool asked = false;
    };
    struct introduced {
        executor_handle handle;
        worker_attached offer;
        bool is_offered = false;
        bool is_draining = false;
        std::optional<std::vector<attempt_ref>> holds; // for its first introduction
        bool told = false;                             // to some primary, so attempts may run under its name
        bool is_up = false;                            // the primary that is now knows it
        std::uint64_t turn = 0;                        // of the newest question what it holds
    };
    struct remote {
        node_id node;
        caf::actor handle; // null: being started
        worker_attached offer;
        bool is_offered = false;
        std::optional<std::vector<attempt_ref>> holds; // said, and not passed on yet
    };
    struct leader {
        node_id node{}; // 0: not known, or this node
        std::uint64_t epoch = 0;
        std::uint64_t generation = 0;
        bool operator==(const leader&) const = default;
    };

    router_state& s() const { return self_->state; }
    instant now() const { return options_->steady(); }
    const shard_handle& scheduler() const { return options_->schedulers[shard_.value]; }
    bool has_leader() const { return there_.node != node_id{} && s().linked.contains(there_.node); }
    bool send(node_id to, peer_channel channel, std::uint64_t id,
              const std::function<void(route::Message::Builder)>& fill) const;
    void tell_leader(const std::function<void(route::Message::Builder)>& fill) const {
        if (has_leader()) send(there_.node, peer_channel::bulk, 0, fill);
    }

    void keep_ticking();
    void pass_here(const proposal_ptr& p, instant until);
    static void give_up(const routed& r);
    bool try_again(std::uint64_t id, routed& r);
    void results(node_id from, std::uint64_t id, capnp::List<route::Result>::Reader list);
    void ask_read_point(std::uint64_t id, waiting_read& r);
    void read_point(std::uint64_t id, route::ReadPoint::Reader point);
    void go_on_with_waiting();

    void start_tree();
    void tree_started(const started_children& started);
    void stop_serving();
    std::uint64_t generation_for(node_id node) const;
    void say_serving(node_id to) const;
    void leader_says(node_id from, route::Serving::Reader serving);

    void introduce(worker_id worker, introduced& e);
    void introduce_all();
    void ask_what_it_holds(worker_id worker, introduced& e);
    void attach_here(const introduced& e);
    void forget_executors();
    void remote_up(node_id from, route::Executor::Reader executor);
    void remote_started(worker_id worker, const started_children& started);
    void remote_down(worker_id worker, milliseconds grace);
    void meet_remote(worker_id worker, remote& r);
    void attach_remote(const remote& r);
    void drop_remotes_of(node_id node, milliseconds grace);
    void say_slots(node_id to, std::span<const seen_slots> seen) const;
    void executor_frame(node_id from, route::Message::Reader message);
    void order_frame(node_id from, route::Message::Reader message);
    void assigned(node_id from, route::Assign::Reader a);
    void propose_for(node_id from, std::uint64_t id, route::Propose::Reader p);
    void answer_read_point(node_id from, std::uint64_t id);

    pointer self_;
    std::shared_ptr<const router_options> options_;
    const shard_id shard_;

    bool wanted_here_ = false; // this node's replica serves
    bool serving_ = false;     // and the shard's actors run
    bool starting_ = false;
    child_key tree_key_;
    caf::actor tree_;
    std::uint64_t epoch_ = 0;
    std::uint64_t generation_ = 0;
    std::map<node_id, std::uint64_t> again_; // how often a node alone was told to introduce its executors anew
    leader there_;
    std::map<std::uint64_t, routed> routing_;
    std::map<std::uint64_t, waiting_read> reads_;
    std::map<worker_id, introduced> executors_; // attached to this node
    std::map<worker_id, remote> remotes_;       // attached to others, while this node serves
};

} // namespace coppice
