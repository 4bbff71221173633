#include "cluster/routing/remote_executor_actor.hpp"

#include "cluster/routing/route_wire.hpp"

namespace coppice {
namespace {

constexpr std::size_t bytes_per_message = 4 * 1024 * 1024;

void say(const remote_executor_start& to, const std::function<void(route::Message::Builder)>& fill) {
    const bytes message = route_message(to.shard, 0, fill);
    if (!to.outbox->send(to.node, peer_channel::bulk, peer_kind::route, message)) to.lost(to.worker);
}

void assign_there(const remote_executor_start& to, const assign& message) {
    const auto& starts = message.batch->starts;
    for (std::size_t at = 0; at < message.indexes.size();) {
        std::size_t end = at, size = 0;
        while (end < message.indexes.size() && (end == at || size < bytes_per_message))
            size += size_of(starts[message.indexes[end++]]);
        say(to, [&](route::Message::Builder m) {
            auto a = m.initAssign();
            a.setWorker(to.worker.value);
            a.setGeneration(to.generation);
            auto list = a.initStarts(static_cast<unsigned>(end - at));
            for (unsigned i = 0; i < list.size(); ++i) write_start(starts[message.indexes[at + i]], list[i]);
        });
        at = end;
    }
}

void write_cancel(worker_id worker, const attempt_ref& ref, milliseconds grace, route::Cancel::Builder to) {
    to.setWorker(worker.value);
    write_attempt(ref, to.initAttempt());
    to.setGraceMs(static_cast<std::uint64_t>(grace.count()));
}

} // namespace

executor_handle::behavior_type remote_executor_actor(executor_handle::stateful_pointer<remote_executor_state> self,
                                                     tree_handle card, const remote_executor_start& start) {
    self->state.card = std::move(card);
    self->state.card.state("at node " + std::to_string(start.node.value));
    return {
        [start](const assign& message) { assign_there(start, message); },
        [start](const cancel_attempt& message) {
            say(start, [&](route::Message::Builder m) {
                write_cancel(start.worker, message.ref, message.grace, m.initCancel());
            });
        },
        [start](const revoke_attempt& message) {
            say(start, [&](route::Message::Builder m) {
                write_cancel(start.worker, message.ref, milliseconds{0}, m.initRevoke());
            });
        },
        [](const present_attempts&) {}, // asked of the executor itself, by the router of its node
    };
}

dynamic_spec remote_executor_supervisor() {
    return {.start = dynamic_start<remote_executor_start>(
                [](supervised_context& context, const remote_executor_start& start) {
                    return start_result{context.spawn(remote_executor_actor, context.node(), start)};
                }),
            .restart = restart_type::temporary,
            .kind = "executor"};
}

} // namespace coppice
