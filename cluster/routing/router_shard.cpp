// Whether the shard is served here, and who serves it otherwise.
#include <caf/send.hpp>

#include "cluster/routing/router.hpp"

namespace coppice {
namespace {

constexpr milliseconds regrow_pause{200};

} // namespace

void router::role_seen_here(const role_seen& m) {
    s().epoch = std::max(s().epoch, m.epoch);
    const bool serves = m.role == replica_role::serving;
    s().card.state(std::string{to_string(m.role)} + ", epoch " + std::to_string(m.epoch));
    if (serves == s().wanted_here) return;
    s().wanted_here = serves;
    if (serves)
        start_tree();
    else
        stop_serving();
}

// The shard's actors grow from the tables. One tree at a time: an old one that is still being felled is waited for.
void router::start_tree() {
    if (s().starting || s().tree) return;
    s().starting = true;
    self_
        ->request(options_->shards, caf::infinite,
                  start_children{{{"shard-" + std::to_string(options_->shard.value), std::any{}}}})
        .then([this](const started_children& started) { tree_started(started); },
              [this](const caf::error&) { s().starting = false; });
}

void router::tree_started(const started_children& started) {
    s().starting = false;
    const started_child& child = started.results.front();
    if (!child.handle) {
        self_->delayed_send(self_, regrow_pause, role_seen{options_->shard, replica_role::settling, s().epoch});
        return;
    }
    s().tree = child.handle;
    s().tree_key = child.key;
    self_->monitor(child.handle);
    if (!s().wanted_here) return caf::anon_send(options_->shards, stop_children{{s().tree_key}});
    s().serving = true;
    ++s().generation;
    s().there = {};
    begin_anew_with_executors();
    for (const node_id node : s().linked) say_serving(node);
    go_on_with_waiting();
}

void router::stop_serving() {
    s().serving = false;
    if (s().tree) caf::anon_send(options_->shards, stop_children{{s().tree_key}});
    for (auto& [worker, remote] : s().remotes) {
        caf::anon_send(options_->journal, worker_detached{worker});
        if (remote.handle) caf::anon_send_exit(remote.handle, caf::exit_reason::user_shutdown);
    }
    s().remotes.clear();
    for (auto& [worker, e] : s().executors) caf::anon_send(options_->journal, worker_detached{worker});
}

// It was felled, or gave up: in that case it grows again, and knows no executors.
void router::tree_down(const caf::down_msg& down) {
    if (!s().tree || s().tree.address() != down.source) return;
    s().tree = nullptr;
    if (!s().wanted_here) return;
    s().serving = false;
    start_tree();
}

void router::say_serving(node_id to) const {
    send(to, peer_channel::control, 0, [this](route::Message::Builder m) {
        m.initServing().setEpoch(s().epoch);
        m.getServing().setGeneration(s().generation);
    });
}

void router::leader_says(node_id from, route::Serving::Reader serving) {
    const router_state::leader leader{from, serving.getEpoch(), serving.getGeneration()};
    if (s().wanted_here || leader.epoch < s().there.epoch || leader.epoch < s().epoch || leader == s().there)
        return;
    s().there = leader;
    s().epoch = leader.epoch;
    begin_anew_with_executors();
    go_on_with_waiting();
}

// A word that came too early, or was lost with a full window, comes again.
void router::say_serving_again() {
    if (s().serving)
        for (const node_id node : s().linked) say_serving(node);
    self_->delayed_send(self_, limits::serving_said_again, serving_again{});
}

void router::link_changed(const peer_linked& m) {
    if (m.up) {
        s().linked.insert(m.node);
        if (s().serving) say_serving(m.node);
        return;
    }
    s().linked.erase(m.node);
    if (s().there.node == m.node) {
        s().there = {.epoch = s().there.epoch};
        for (auto& [id, r] : s().routing) { // what became of it is not known
            r.maybe = r.maybe || r.sent_to == m.node;
            r.sent_to = {};
            r.again_at = steady_now() + limits::route_retry_pause;
        }
    }
    std::vector<worker_id> gone;
    for (const auto& [worker, remote] : s().remotes)
        if (remote.node == m.node) gone.push_back(worker);
    for (const worker_id worker : gone) remote_down(worker, limits::worker_reattach_grace);
}

} // namespace coppice
