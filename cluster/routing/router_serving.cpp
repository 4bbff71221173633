// Whether the shard is served here, and who serves it otherwise.
#include <caf/send.hpp>

#include "cluster/routing/shard_router.hpp"

namespace coppice {
namespace {

constexpr milliseconds regrow_pause{200};
constexpr std::uint64_t look_at_the_board = 0; // in place of an epoch: the message is the router's own

} // namespace

void shard_router::role_seen_here(const role_seen& m) {
    epoch_ = std::max(epoch_, m.epoch);
    const replica_role role = m.epoch == look_at_the_board ? options_->board->face(shard_)->role.load() : m.role;
    const bool serves = role == replica_role::serving;
    if (serves == wanted_here_) return;
    wanted_here_ = serves;
    if (serves)
        start_tree();
    else
        stop_serving();
}

// The shard's actors grow from the tables. One tree at a time: an old one that is still being felled is waited for.
void shard_router::start_tree() {
    if (starting_ || tree_) return;
    starting_ = true;
    self_
        ->request(options_->shards, caf::infinite,
                  start_children{{{"shard-" + std::to_string(shard_.value), shard_}}})
        .then([this](const started_children& started) { tree_started(started); },
              [this](const caf::error&) { starting_ = false; });
}

void shard_router::tree_started(const started_children& started) {
    starting_ = false;
    const started_child& child = started.results.front();
    if (!child.handle) {
        wanted_here_ = false; // until it is looked at again
        return self_->delayed_send(self_, regrow_pause, role_seen{shard_, {}, look_at_the_board});
    }
    tree_ = child.handle;
    tree_key_ = child.key;
    self_->monitor(child.handle);
    if (!wanted_here_) return caf::anon_send(options_->shards, stop_children{{tree_key_}});
    serving_ = true;
    ++generation_;
    there_ = {};
    introduce_all();
    for (const node_id node : s().linked) say_serving(node);
    go_on_with_waiting();
}

void shard_router::stop_serving() {
    serving_ = false;
    if (tree_) caf::anon_send(options_->shards, stop_children{{tree_key_}});
    forget_executors();
}

// Nobody is given anything to start before it is introduced again.
void shard_router::forget_executors() {
    for (auto& [worker, remote] : remotes_) {
        caf::anon_send(options_->journal, worker_detached{worker, shard_});
        if (remote.handle) caf::anon_send_exit(remote.handle, caf::exit_reason::user_shutdown);
    }
    remotes_.clear();
    for (auto& [worker, e] : executors_) {
        caf::anon_send(options_->journal, worker_detached{worker, shard_});
        e.is_up = false;
    }
}

// It was felled, or gave up: in that case it grows again, and knows no executors.
void shard_router::tree_down(const caf::down_msg& down) {
    if (!tree_ || tree_.address() != down.source) return;
    tree_ = nullptr;
    if (!wanted_here_) return;
    serving_ = false;
    forget_executors();
    start_tree();
}

std::uint64_t shard_router::generation_for(node_id node) const {
    const auto found = again_.find(node);
    return generation_ << 32 | (found == again_.end() ? 0 : found->second);
}

void shard_router::say_serving(node_id to) const {
    send(to, peer_channel::control, 0, [&](route::Message::Builder m) {
        m.initServing().setEpoch(epoch_);
        m.getServing().setGeneration(generation_for(to));
    });
}

void shard_router::leader_says(node_id from, route::Serving::Reader serving) {
    const leader said{from, serving.getEpoch(), serving.getGeneration()};
    if (wanted_here_ || said.epoch < there_.epoch || said.epoch < epoch_ || said == there_) return;
    there_ = said;
    epoch_ = said.epoch;
    introduce_all();
    go_on_with_waiting();
}

// A word that came too early, or was lost with a full window, comes again.
void shard_router::say_serving_again() {
    if (serving_)
        for (const node_id node : s().linked) say_serving(node);
    if (!serving_ && !has_leader()) return;
    for (auto& [worker, e] : executors_)
        if (!e.is_up) e.told ? ask_what_it_holds(worker, e) : introduce(worker, e);
}

void shard_router::link_changed(const peer_linked& m) {
    if (m.up) {
        if (serving_) say_serving(m.node);
        return;
    }
    if (there_.node == m.node) {
        there_ = {.epoch = there_.epoch};
        for (auto& [worker, e] : executors_) e.is_up = false;
        for (auto& [id, r] : routing_) { // what became of it is not known
            r.maybe = r.maybe || r.sent_to == m.node;
            r.sent_to = {};
            r.again_at = now() + limits::route_retry_pause;
        }
        if (!routing_.empty()) keep_ticking();
    }
    drop_remotes_of(m.node, limits::worker_reattach_grace);
}

} // namespace coppice
