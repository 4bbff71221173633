// Executors of a shard: those that are attached to this node, and at the primary those of other nodes.
#include <caf/send.hpp>

#include "cluster/routing/remote_executor_actor.hpp"
#include "cluster/routing/shard_router.hpp"

namespace coppice {

// ---- attached here
// -------------------------------------------------------------------------------------------------------

void shard_router::executor_came(const executor_up& m) {
    auto& e = executors_[m.worker] = introduced{.handle = m.handle, .holds = m.holds};
    e.offer.worker = m.worker;
    introduce(m.worker, e);
}

void shard_router::introduce(worker_id worker, introduced& e) {
    if (serving_) {
        e.told = e.is_up = true;
        self_->send(scheduler(), executor_up{worker, e.handle, std::exchange(e.holds, std::nullopt)});
        return attach_here(e);
    }
    if (!has_leader()) return;
    e.is_up = send(there_.node, peer_channel::bulk, 0, [&](route::Message::Builder m) {
        write_executor(e.offer, e.is_offered, e.holds, m.initExecutorUp());
    });
    if (!e.is_up) return; // its window is full: again in a while
    e.told = true;
    e.holds.reset();
    if (e.is_draining) tell_leader([&](route::Message::Builder m) { m.setDraining(worker.value); });
}

void shard_router::attach_here(const introduced& e) {
    if (e.is_offered) caf::anon_send(options_->journal, e.offer);
    if (e.is_draining) caf::anon_send(options_->journal, worker_draining{e.offer.worker, shard_});
}

// To a primary that does not know them. One that another primary may have given attempts says first which of them
// it holds: it goes on with those, and others that stand under its name never came to it.
void shard_router::introduce_all() {
    for (auto& [worker, e] : executors_) {
        e.is_up = false;
        e.told ? ask_what_it_holds(worker, e) : introduce(worker, e);
    }
}

void shard_router::ask_what_it_holds(worker_id worker, introduced& e) {
    const caf::weak_actor_ptr me = self_->ctrl();
    const std::uint64_t turn = ++e.turn;
    self_->send(
        e.handle,
        present_attempts{shard_, [me, worker, turn, shard = shard_](std::vector<attempt_ref> holds) {
                             if (const auto router = caf::actor_cast<router_handle>(me.lock()))
                                 caf::anon_send(router, executor_presented{shard, worker, turn, std::move(holds)});
                         }});
}

void shard_router::presented(const executor_presented& m) {
    const auto found = executors_.find(m.worker);
    if (found == executors_.end() || found->second.turn != m.turn || found->second.is_up) return;
    found->second.holds = m.holds;
    introduce(m.worker, found->second);
}

void shard_router::offered(const worker_attached& m) {
    const auto found = executors_.find(m.worker);
    if (found == executors_.end()) return;
    introduced& e = found->second;
    e.offer = m;
    e.is_offered = true;
    if (!e.is_up) return; // it comes with the introduction
    if (serving_) return caf::anon_send(options_->journal, m);
    tell_leader(
        [&](route::Message::Builder to) { write_executor(e.offer, true, std::nullopt, to.initExecutorUp()); });
}

void shard_router::resized(worker_id worker, std::uint32_t slots, std::uint64_t grant) {
    const auto found = executors_.find(worker);
    if (found == executors_.end()) return;
    introduced& e = found->second;
    e.offer.slots = slots;
    e.offer.grant = grant;
    if (!e.is_up || !e.is_offered) return;
    if (serving_) return caf::anon_send(options_->journal, worker_resized{worker, shard_, slots, grant});
    tell_leader([&](route::Message::Builder to) {
        auto g = to.initGrant();
        g.setWorker(worker.value);
        g.setSlots(slots);
        g.setGrant(grant);
    });
}

void shard_router::draining(worker_id worker) {
    const auto found = executors_.find(worker);
    if (found == executors_.end()) return;
    found->second.is_draining = true;
    if (serving_) return caf::anon_send(options_->journal, worker_draining{worker, shard_});
    tell_leader([&](route::Message::Builder to) { to.setDraining(worker.value); });
}

void shard_router::detached(worker_id worker) {
    if (serving_) caf::anon_send(options_->journal, worker_detached{worker, shard_});
}

void shard_router::executor_went(const executor_down& m) {
    executors_.erase(m.worker);
    if (serving_) return self_->send(scheduler(), m);
    tell_leader([&](route::Message::Builder to) {
        auto down = to.initExecutorDown();
        down.setWorker(m.worker.value);
        down.setGraceMs(static_cast<std::uint64_t>(m.grace.count()));
    });
}

void shard_router::heard(const attempt_heard& m) {
    if (serving_) return self_->send(scheduler(), m);
    tell_leader([&](route::Message::Builder to) { write_attempt(m.ref, to.initHeard()); });
}

void shard_router::assigned(node_id from, route::Assign::Reader a) {
    if (from != there_.node || a.getGeneration() != there_.generation) return;
    const worker_id worker{a.getWorker()};
    const auto found = executors_.find(worker);
    if (found == executors_.end()) { // it is gone: whoever assigned it must know
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

void shard_router::remote_up(node_id from, route::Executor::Reader executor) {
    const auto offer = read_executor(executor);
    if (!serving_ || !offer) return;
    const auto [found, is_new] = remotes_.try_emplace(offer->worker);
    remote& r = found->second;
    if (!is_new && r.node != from) return; // a worker's number is one node's own
    r.node = from;
    r.offer = *offer;
    r.offer.shard = shard_;
    r.is_offered = executor.getIsOffered();
    if (auto holds = read_holds(executor)) r.holds = std::move(holds);
    if (!is_new) {
        if (r.handle && r.holds) meet_remote(offer->worker, r);
        if (r.handle) attach_remote(r);
        return;
    }
    const caf::weak_actor_ptr me = self_->ctrl();
    const remote_executor_start start{.shard = shard_,
                                      .node = from,
                                      .worker = offer->worker,
                                      .generation = generation_for(from),
                                      .outbox = options_->outbox,
                                      .lost = [me, shard = shard_](worker_id worker) {
                                          if (const auto router = caf::actor_cast<router_handle>(me.lock()))
                                              caf::anon_send(router, executor_lost{shard, worker});
                                      }};
    self_
        ->request(options_->remotes, caf::infinite,
                  start_children{{{"executor-" + std::to_string(offer->worker.value), start}}})
        .then([this, worker = offer->worker](const started_children& started) { remote_started(worker, started); },
              [this, worker = offer->worker](const caf::error&) { remotes_.erase(worker); });
}

void shard_router::remote_started(worker_id worker, const started_children& started) {
    const caf::actor& handle = started.results.front().handle;
    const auto found = remotes_.find(worker);
    if (found == remotes_.end() || found->second.handle) {
        if (handle) caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
        return;
    }
    if (!handle) {
        remotes_.erase(found);
        return;
    }
    remote& r = found->second;
    r.handle = handle;
    meet_remote(worker, r);
    attach_remote(r);
}

// Always before it is attached, and by the same actor: an executor that is given work and that the scheduler has
// not heard of counts as gone, and its attempts as lost.
void shard_router::meet_remote(worker_id worker, remote& r) {
    self_->send(scheduler(), executor_up{worker, caf::actor_cast<executor_handle>(r.handle),
                                         std::exchange(r.holds, std::nullopt)});
}

void shard_router::attach_remote(const remote& r) {
    if (r.is_offered) caf::anon_send(options_->journal, r.offer);
}

void shard_router::remote_down(worker_id worker, milliseconds grace) {
    const auto found = remotes_.find(worker);
    if (found == remotes_.end()) return;
    if (found->second.handle) caf::anon_send_exit(found->second.handle, caf::exit_reason::user_shutdown);
    remotes_.erase(found);
    caf::anon_send(options_->journal, worker_detached{worker, shard_});
    if (serving_) self_->send(scheduler(), executor_down{worker, grace});
}

void shard_router::drop_remotes_of(node_id node, milliseconds grace) {
    std::vector<worker_id> gone;
    for (const auto& [worker, remote] : remotes_)
        if (remote.node == node) gone.push_back(worker);
    for (const worker_id worker : gone) remote_down(worker, grace);
}

// Its node does not take what it is sent: it has to introduce its executors anew.
void shard_router::lost(worker_id worker) {
    const auto found = remotes_.find(worker);
    if (found == remotes_.end()) return;
    const node_id node = found->second.node;
    drop_remotes_of(node, limits::worker_reattach_grace);
    ++again_[node];
    say_serving(node);
}

std::vector<seen_slots> shard_router::pass_on_slots(const slots_seen& m) {
    std::vector<seen_slots> here;
    std::map<node_id, std::vector<seen_slots>> elsewhere;
    for (const seen_slots& each : m.seen) {
        if (executors_.contains(each.worker)) {
            here.push_back(each);
        } else if (const auto remote = remotes_.find(each.worker); remote != remotes_.end()) {
            elsewhere[remote->second.node].push_back(each);
        }
    }
    for (const auto& [node, all] : elsewhere)
        for (std::size_t at = 0; at < all.size(); at += limits::slots_per_message_max)
            say_slots(node, std::span{all}.subspan(at, std::min(limits::slots_per_message_max, all.size() - at)));
    return here;
}

void shard_router::say_slots(node_id to, std::span<const seen_slots> seen) const {
    send(to, peer_channel::bulk, 0, [&](route::Message::Builder m) {
        auto list = m.initSlots(static_cast<unsigned>(seen.size()));
        for (unsigned i = 0; i < list.size(); ++i) {
            list[i].setWorker(seen[i].worker.value);
            list[i].setGrant(seen[i].grant);
            list[i].setMayUse(seen[i].may_use);
            list[i].setWants(seen[i].needs > 0);
            list[i].setNeeds(seen[i].needs);
            list[i].setLargeStarts(seen[i].large_starts);
        }
    });
}

} // namespace coppice
