// Proposes from the edge's loop and gives a promise of the results, which the journal's thread fulfills through the
// inbox after the commit.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "runtime/edge/edge_context.hpp"

namespace coppice {

inline kj::Promise<std::vector<command_result>> propose_call(edge_context& edge, capnp::MessageBuilder& entry,
                                                             std::size_t commands, bool grows) {
    using results = std::vector<command_result>;
    auto paf = kj::newPromiseAndFulfiller<results>();
    // Shared, because a std::function must be copyable; touched on the loop's thread only.
    auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<results>>>(kj::mv(paf.fulfiller));
    auto done = [inbox = edge.inbox, fulfiller = std::move(fulfiller)](std::span<command_result> given) mutable {
        inbox->post(
            [fulfiller = std::move(fulfiller), copy = results(std::make_move_iterator(given.begin()),
                                                              std::make_move_iterator(given.end()))]() mutable {
                (*fulfiller)->fulfill(kj::mv(copy));
            });
    };
    edge.journal.propose(
        std::make_shared<proposal>(capnp::messageToFlatArray(entry), commands, grows, std::move(done)));
    return kj::mv(paf.promise);
}

} // namespace coppice
