// What other nodes' routers say.
#include <caf/send.hpp>
#include <cstring>

#include "cluster/routing/executor_desk.hpp"

namespace coppice {

void shard_router::frame(const route_frame& m, route::Message::Reader message) {
    const std::uint64_t id = message.getId();
    switch (message.which()) {
    case route::Message::PROPOSE:
        return propose_for(m.from, id, message.getPropose());
    case route::Message::RESULTS:
        return results(m.from, id, message.getResults());
    case route::Message::READ_POINT:
        return answer_read_point(m.from, id);
    case route::Message::READ_POINT_IS:
        return read_point(id, message.getReadPointIs());
    case route::Message::SERVING:
        return leader_says(m.from, message.getServing());
    case route::Message::EXECUTOR_UP:
    case route::Message::EXECUTOR_DOWN:
    case route::Message::DRAINING:
    case route::Message::HEARD:
    case route::Message::GRANT:
        return executor_frame(m.from, message);
    case route::Message::ASSIGN:
    case route::Message::CANCEL:
    case route::Message::REVOKE:
    case route::Message::SLOTS:
        if (m.from == there_.node) order_frame(m.from, message);
        return;
    case route::Message::NONE:
        return;
    }
}

// From the node of an executor, to the primary.
void shard_router::executor_frame(node_id from, route::Message::Reader message) {
    const auto is_its_own = [&](worker_id worker) {
        const auto found = remotes_.find(worker);
        return found != remotes_.end() && found->second.node == from;
    };
    if (message.isExecutorUp()) return remote_up(from, message.getExecutorUp());
    if (message.isExecutorDown()) {
        const auto down = message.getExecutorDown();
        const auto most = static_cast<std::uint64_t>(milliseconds{limits::worker_reattach_grace}.count());
        if (is_its_own({down.getWorker()}))
            remote_down({down.getWorker()}, milliseconds{std::min(down.getGraceMs(), most)});
    } else if (message.isDraining()) {
        if (is_its_own({message.getDraining()}))
            caf::anon_send(options_->journal, worker_draining{{message.getDraining()}, shard_});
    } else if (message.isHeard()) {
        if (serving_) self_->send(scheduler(), attempt_heard{read_attempt(message.getHeard())});
    } else if (message.isGrant()) {
        const auto g = message.getGrant();
        if (!is_its_own({g.getWorker()}) || g.getSlots() > limits::worker_slots_max) return;
        remote& r = remotes_.at({g.getWorker()});
        r.offer.slots = g.getSlots();
        r.offer.grant = g.getGrant();
        if (r.handle && r.is_offered)
            caf::anon_send(options_->journal, worker_resized{{g.getWorker()}, shard_, g.getSlots(), g.getGrant()});
    }
}

// From the primary, to the node of an executor.
void shard_router::order_frame(node_id from, route::Message::Reader message) {
    if (message.isAssign()) return assigned(from, message.getAssign());
    if (message.isSlots()) {
        const auto list = message.getSlots();
        if (list.size() > limits::slots_per_message_max) return;
        for (const auto each : list)
            if (executors_.contains({each.getWorker()}))
                s().desk->answered(shard_, {{each.getWorker()},
                                            each.getGrant(),
                                            each.getMayUse(),
                                            each.getWants() ? std::max(each.getNeeds(), 1U) : 0,
                                            each.getLargeStarts()});
        return;
    }
    const bool cancel = message.isCancel();
    const auto c = cancel ? message.getCancel() : message.getRevoke();
    const auto found = executors_.find(worker_id{c.getWorker()});
    if (found == executors_.end()) return;
    const attempt_ref ref = read_attempt(c.getAttempt());
    const auto grace =
        milliseconds{static_cast<std::int64_t>(std::min<std::uint64_t>(c.getGraceMs(), 24ULL * 3600 * 1000))};
    if (cancel)
        self_->send(found->second.handle, cancel_attempt{ref, grace});
    else
        self_->send(found->second.handle, revoke_attempt{ref});
}

// For another node's edge or executor: into the journal here, which says if it is not the primary's.
void shard_router::propose_for(node_id from, std::uint64_t id, route::Propose::Reader p) {
    const auto entry = p.getEntry();
    const std::uint32_t commands = p.getCommands();
    const auto answer = [outbox = options_->outbox, shard = shard_, from, id](std::span<command_result> results) {
        outbox->send(from, peer_channel::bulk, peer_kind::route,
                     route_message(shard, id, [&](route::Message::Builder m) { write_results(results, m); }));
    };
    if (commands > limits::batch_commands_max || entry.size() == 0 || entry.size() % sizeof(capnp::word) != 0)
        return;
    auto words = kj::heapArray<capnp::word>(entry.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), entry.begin(), entry.size());
    const auto made = std::make_shared<proposal>(kj::mv(words), commands, p.getGrows(), answer, shard_);
    if (!made->enter(options_->gate))
        return made->refuse({errc::overloaded, "too much is on its way to the journal", 50});
    caf::anon_send(options_->journal, coppice::propose{made});
}

void shard_router::answer_read_point(node_id from, std::uint64_t id) {
    const replica_face* face = options_->board->face(shard_);
    const bool may_read = to_us(now()) < face->lease_until_us.load(std::memory_order_acquire);
    send(from, peer_channel::control, id, [&](route::Message::Builder m) {
        auto point = m.initReadPointIs();
        point.setCode(static_cast<std::uint16_t>(may_read ? errc::ok : errc::not_primary));
        point.setIndex(face->applied.load(std::memory_order_acquire));
    });
}

} // namespace coppice
