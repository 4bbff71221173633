// Executors: those that are attached to this node, and at the primary those of other nodes.
#include <caf/send.hpp>

#include "cluster/routing/remote_executor_actor.hpp"
#include "cluster/routing/router.hpp"

namespace coppice {

// ---- attached here
// -------------------------------------------------------------------------------------------------------

void router::executor_came(const executor_up& m) {
    auto& e = s().executors[m.worker] = {m.handle, worker_attached{.worker = m.worker}, false};
    introduce(m.worker, e);
}

void router::introduce(worker_id worker, router_state::introduced& e) {
    if (s().serving) {
        e.told = true;
        self_->send(options_->scheduler, executor_up{worker, e.handle});
        if (e.offer.slots > 0) caf::anon_send(options_->journal, e.offer);
    } else if (has_leader()) {
        e.told = true;
        tell_leader([&](route::Message::Builder m) { write_executor(e.offer, m.initExecutorUp()); });
    }
}

void router::offered(const worker_attached& m) {
    const auto found = s().executors.find(m.worker);
    if (found == s().executors.end()) return; // it was told to begin anew
    found->second.offer = m;
    if (s().serving)
        caf::anon_send(options_->journal, m);
    else
        introduce(m.worker, found->second);
}

void router::draining(const worker_draining& m) {
    if (s().serving) return caf::anon_send(options_->journal, m);
    tell_leader([&](route::Message::Builder to) { to.setDraining(m.worker.value); });
}

void router::detached(const worker_detached& m) {
    if (s().serving) caf::anon_send(options_->journal, m);
}

void router::executor_went(const executor_down& m) {
    s().executors.erase(m.worker);
    if (s().serving) return self_->send(options_->scheduler, m);
    tell_leader([&](route::Message::Builder to) {
        auto down = to.initExecutorDown();
        down.setWorker(m.worker.value);
        down.setGraceMs(static_cast<std::uint64_t>(m.grace.count()));
    });
}

void router::heard(const attempt_heard& m) {
    if (s().serving) return self_->send(options_->scheduler, m);
    tell_leader([&](route::Message::Builder to) { write_attempt(m.ref, to.initHeard()); });
}

// Those whom another primary knew end; their workers attach again and present what they run. The others are
// introduced.
void router::begin_anew_with_executors() {
    for (auto at = s().executors.begin(); at != s().executors.end();) {
        auto& [worker, e] = *at;
        if (!e.told) {
            introduce(worker, e);
            ++at;
            continue;
        }
        caf::anon_send_exit(e.handle, caf::exit_reason::user_shutdown);
        at = s().executors.erase(at);
    }
}

void router::assigned(node_id from, route::Assign::Reader a) {
    const worker_id worker{a.getWorker()};
    const auto found = s().executors.find(worker);
    if (found == s().executors.end()) { // it is gone: whoever assigned it must know
        send(from, peer_channel::bulk, 0,
             [&](route::Message::Builder m) { m.initExecutorDown().setWorker(worker.value); });
        return;
    }
    auto batch = std::make_shared<batch_output>();
    assign message;
    for (const auto start : a.getStarts()) {
        message.indexes.push_back(static_cast<std::uint32_t>(batch->starts.size()));
        batch->starts.push_back(read_start(start));
        batch->starts.back().worker = worker;
    }
    message.batch = std::move(batch);
    self_->send(found->second.handle, std::move(message));
}

// ---- at the primary
// ------------------------------------------------------------------------------------------------------

void router::remote_up(node_id from, const worker_attached& offer) {
    if (!s().serving) return;
    const auto [found, is_new] = s().remotes.try_emplace(offer.worker);
    router_state::remote& r = found->second;
    if (!is_new && r.node != from) return; // a worker's number is one node's own
    r.node = from;
    r.offer = offer;
    if (!is_new) {
        if (r.handle && offer.slots > 0) caf::anon_send(options_->journal, offer);
        return;
    }
    const caf::weak_actor_ptr me = self_->ctrl();
    const remote_executor_start start{
        options_->shard, from, offer.worker, options_->outbox, options_->scheduler, [me](worker_id worker) {
            if (const auto router = caf::actor_cast<router_handle>(me.lock()))
                caf::anon_send(router, executor_lost{worker});
        }};
    self_
        ->request(options_->remotes, caf::infinite,
                  start_children{{{"executor-" + std::to_string(offer.worker.value), start}}})
        .then([this, worker = offer.worker](const started_children& started) { remote_started(worker, started); },
              [this, worker = offer.worker](const caf::error&) { s().remotes.erase(worker); });
}

void router::remote_started(worker_id worker, const started_children& started) {
    const caf::actor& handle = started.results.front().handle;
    const auto found = s().remotes.find(worker);
    if (found == s().remotes.end()) {
        if (handle) caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
        return;
    }
    if (!handle) {
        s().remotes.erase(found);
        return;
    }
    found->second.handle = handle;
    if (found->second.offer.slots > 0) caf::anon_send(options_->journal, found->second.offer);
}

void router::remote_down(worker_id worker, milliseconds grace) {
    const auto found = s().remotes.find(worker);
    if (found == s().remotes.end()) return;
    if (found->second.handle) caf::anon_send_exit(found->second.handle, caf::exit_reason::user_shutdown);
    s().remotes.erase(found);
    caf::anon_send(options_->journal, worker_detached{worker});
    if (s().serving) self_->send(options_->scheduler, executor_down{worker, grace});
}

// Its node does not take what it is sent: it has to introduce its executors anew.
void router::lost(worker_id worker) {
    const auto found = s().remotes.find(worker);
    if (found == s().remotes.end()) return;
    const node_id node = found->second.node;
    remote_down(worker, limits::worker_reattach_grace);
    ++s().generation;
    say_serving(node);
}

} // namespace coppice
