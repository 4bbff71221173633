// What other nodes' routers say.
#include <caf/send.hpp>
#include <cstring>

#include "cluster/routing/router.hpp"

namespace coppice {

void router::frame(const route_frame& m) {
    with_route_message(*m.body, [&](route::Message::Reader message) {
        if (message.getShard() != options_->shard.value) return;
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
            if (const auto offer = read_executor(message.getExecutorUp())) remote_up(m.from, *offer);
            return;
        case route::Message::EXECUTOR_DOWN: {
            const auto down = message.getExecutorDown();
            const auto found = s().remotes.find(worker_id{down.getWorker()});
            const auto most = static_cast<std::uint64_t>(milliseconds{limits::worker_reattach_grace}.count());
            if (found != s().remotes.end() && found->second.node == m.from)
                remote_down(found->first, milliseconds{std::min(down.getGraceMs(), most)});
            return;
        }
        case route::Message::DRAINING:
            if (s().serving) caf::anon_send(options_->journal, worker_draining{worker_id{message.getDraining()}});
            return;
        case route::Message::HEARD:
            if (s().serving) self_->send(options_->scheduler, attempt_heard{read_attempt(message.getHeard())});
            return;
        case route::Message::ASSIGN:
            if (m.from == s().there.node) assigned(m.from, message.getAssign());
            return;
        case route::Message::CANCEL:
        case route::Message::REVOKE: {
            const bool cancel = message.which() == route::Message::CANCEL;
            const auto c = cancel ? message.getCancel() : message.getRevoke();
            const auto found = s().executors.find(worker_id{c.getWorker()});
            if (m.from != s().there.node || found == s().executors.end()) return;
            const attempt_ref ref = read_attempt(c.getAttempt());
            const auto grace = milliseconds{
                static_cast<std::int64_t>(std::min<std::uint64_t>(c.getGraceMs(), 24ULL * 3600 * 1000))};
            if (cancel)
                self_->send(found->second.handle, cancel_attempt{ref, grace});
            else
                self_->send(found->second.handle, revoke_attempt{ref});
            return;
        }
        case route::Message::NONE:
            return;
        }
    });
}

// For another node's edge or executor: into the journal here, which says if it is not the primary's.
void router::propose_for(node_id from, std::uint64_t id, route::Propose::Reader p) {
    const auto entry = p.getEntry();
    const std::uint32_t commands = p.getCommands();
    const auto answer = [outbox = options_->outbox, shard = options_->shard, from,
                         id](std::span<command_result> results) {
        outbox->send(from, peer_channel::bulk, peer_kind::route,
                     route_message(shard, id, [&](route::Message::Builder m) { write_results(results, m); }));
    };
    if (commands > limits::batch_commands_max || entry.size() == 0 || entry.size() % sizeof(capnp::word) != 0)
        return;
    auto words = kj::heapArray<capnp::word>(entry.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), entry.begin(), entry.size());
    const auto made = std::make_shared<proposal>(kj::mv(words), commands, p.getGrows(), answer, options_->shard);
    if (!made->enter(options_->gate))
        return made->refuse({errc::overloaded, "too much is on its way to the journal", 50});
    caf::anon_send(options_->journal, coppice::propose{made});
}

void router::answer_read_point(node_id from, std::uint64_t id) {
    const replica_face* face = options_->board->face(options_->shard);
    const bool may_read = to_us(steady_now()) < face->lease_until_us.load(std::memory_order_acquire);
    send(from, peer_channel::control, id, [&](route::Message::Builder m) {
        auto point = m.initReadPointIs();
        point.setCode(static_cast<std::uint16_t>(may_read ? errc::ok : errc::not_primary));
        point.setIndex(face->applied.load(std::memory_order_acquire));
    });
}

} // namespace coppice
