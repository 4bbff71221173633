#include "cluster/routing/router_actor.hpp"

#include "cluster/routing/router.hpp"

namespace coppice {

router_handle::behavior_type router_actor(router_handle::stateful_pointer<router_state> self, tree_handle card,
                                          std::shared_ptr<const router_options> options) {
    self->state.card = std::move(card);
    if (options->links)
        for (const node_id node : options->links()) self->state.linked.insert(node);
    const auto r = std::make_shared<router>(self, options);
    self->set_down_handler([r](const caf::down_msg& down) { r->tree_down(down); });
    // The journal was there before: what it is now.
    const replica_face* face = options->board->face(options->shard);
    self->send(self, serving_again{});
    self->send(self, role_seen{options->shard, face->role.load(), face->epoch.load()});
    return {
        [r](const propose& m) { r->propose(m.what); },
        [r](const worker_attached& m) { r->offered(m); },
        [r](const worker_draining& m) { r->draining(m); },
        [r](const worker_detached& m) { r->detached(m); },
        [](journal_wake) {},
        [r](const executor_up& m) { r->executor_came(m); },
        [r](const executor_down& m) { r->executor_went(m); },
        [r](const attempt_heard& m) { r->heard(m); },
        [r](const read_wanted& m) { r->read(m); },
        [r](const route_frame& m) { r->frame(m); },
        [r](const peer_linked& m) { r->link_changed(m); },
        [r](const role_seen& m) { r->role_seen_here(m); },
        [r](const proposal_rescued& m) { r->rescue(m); },
        [r](const executor_lost& m) { r->lost(m.worker); },
        [r](serving_again) { r->say_serving_again(); },
        [self, r](router_tick) {
            self->state.ticking = false;
            r->tick();
            if (!self->state.routing.empty() || !self->state.reads.empty()) r->keep_ticking();
        },
    };
}

} // namespace coppice
