// Proposes from the edge's loop and gives a promise of the results, which the journal's thread answers after the
// commit.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/loop_answer.hpp"

namespace coppice {

inline kj::Promise<std::vector<command_result>> propose_call(edge_context& edge, capnp::MessageBuilder& entry,
                                                             std::size_t commands, bool grows) {
    using results = std::vector<command_result>;
    auto [promise, answer] = make_loop_answer<results>(edge.inbox);
    auto done = [answer = std::move(answer)](std::span<command_result> given) {
        answer->give(results(std::make_move_iterator(given.begin()), std::make_move_iterator(given.end())));
    };
    edge.journal.propose(
        std::make_shared<proposal>(capnp::messageToFlatArray(entry), commands, grows, std::move(done)));
    return kj::mv(promise);
}

} // namespace coppice
