#include "cluster/routing/router_actor.hpp"

#include <caf/send.hpp>

#include "cluster/routing/executor_desk.hpp"

namespace coppice {
namespace {

using router_pointer = router_handle::stateful_pointer<router_state>;

shard_router* router_of(router_state& s, shard_id shard) {
    return shard.value < s.shards.size() ? s.shards[shard.value].get() : nullptr;
}

void propose_to(router_state& s, const proposal_ptr& p) {
    if (shard_router* shard = router_of(s, p->shard())) return shard->propose(p);
    p->refuse({errc::not_found, "the cluster has no shard " + std::to_string(p->shard().value), 0});
}

void read_at(router_state& s, const read_wanted& m) {
    if (shard_router* shard = router_of(s, m.shard)) return shard->read(m);
    m.done(fail(errc::not_found, "the cluster has no shard " + std::to_string(m.shard.value)));
}

void take_frame(router_state& s, const route_frame& m) {
    with_route_message(*m.body, [&](route::Message::Reader message) {
        if (shard_router* shard = router_of(s, {message.getShard()})) shard->frame(m, message);
    });
}

void change_link(router_state& s, const peer_linked& m) {
    if (m.up)
        s.linked.insert(m.node);
    else
        s.linked.erase(m.node);
    for (const auto& shard : s.shards) shard->link_changed(m);
}

void tick(router_pointer self, const router_options& options) {
    router_state& s = self->state;
    s.ticking = false;
    for (const auto& shard : s.shards) shard->tick();
    options.outbox->flush();
    for (const auto& shard : s.shards)
        if (shard->waits() && !std::exchange(s.ticking, true))
            self->delayed_send(self, limits::router_tick_every, router_tick{});
}

void look_again(router_pointer self) {
    for (const auto& shard : self->state.shards) shard->say_serving_again();
    self->state.desk->look_again();
    self->delayed_send(self, limits::serving_said_again, serving_again{});
}

void tell_state(router_state& s) {
    std::string text;
    for (std::size_t i = 0; i < s.shards.size(); ++i)
        if (s.shards[i]->serves()) text += (text.empty() ? "serves shards " : ", ") + std::to_string(i);
    s.card.state(text.empty() ? "serves no shard" : text);
}

} // namespace

router_handle::behavior_type router_actor(router_pointer self, tree_handle card,
                                          std::shared_ptr<const router_options> options) {
    router_state& s = self->state;
    s.card = std::move(card);
    s.next_id = options->first_call();
    if (options->links)
        for (const node_id node : options->links()) s.linked.insert(node);
    const auto shards = all_shards(options->schedulers.size());
    for (const shard_id shard : shards) s.shards.push_back(std::make_shared<shard_router>(self, options, shard));
    s.desk = std::make_shared<executor_desk>(s.shards, options->steady);
    self->set_down_handler([self](const caf::down_msg& down) {
        for (const auto& shard : self->state.shards) shard->tree_down(down);
    });
    // The journal was there before: what its replicas are now.
    for (const shard_id shard : shards) {
        const replica_face* face = options->board->face(shard);
        self->send(self, role_seen{shard, face->role.load(), face->epoch.load()});
    }
    self->send(self, serving_again{});
    return {
        [self](const propose& m) { propose_to(self->state, m.what); },
        [self](const worker_attached& m) { self->state.desk->offered(m); },
        [self](const worker_draining& m) { self->state.desk->draining(m.worker); },
        [self](const worker_detached& m) { self->state.desk->detached(m.worker); },
        [](journal_wake) {},
        [self](const executor_up& m) { self->state.desk->came(m); },
        [self](const executor_down& m) { self->state.desk->went(m); },
        [self](const attempt_heard& m) {
            if (shard_router* shard = router_of(self->state, m.ref.job.shard())) shard->heard(m);
        },
        [self](const read_wanted& m) { read_at(self->state, m); },
        [self](const route_frame& m) { take_frame(self->state, m); },
        [self](const peer_linked& m) { change_link(self->state, m); },
        [self](const role_seen& m) {
            if (shard_router* shard = router_of(self->state, m.shard)) shard->role_seen_here(m);
            tell_state(self->state);
        },
        [self](const slots_seen& m) {
            shard_router* shard = router_of(self->state, m.shard);
            if (shard == nullptr) return;
            for (const seen_slots& each : shard->pass_on_slots(m)) self->state.desk->answered(m.shard, each);
        },
        [self](const proposal_rescued& m) { router_of(self->state, m.what->shard())->rescue(m); },
        [self](const executor_presented& m) { router_of(self->state, m.shard)->presented(m); },
        [self](const executor_lost& m) { router_of(self->state, m.shard)->lost(m.worker); },
        [self](serving_again) { look_again(self); },
        [self, options](router_tick) { tick(self, *options); },
    };
}

} // namespace coppice
