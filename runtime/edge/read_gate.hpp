// When the tables of this node may be read for a caller. On a node alone: always. In a cluster a read sees
// everything that was acknowledged anywhere before it began: here at once while this node leads and holds its
// lease, else as soon as its tables have come to where the primary's are.
#pragma once

#include <kj/async.h>

#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/loop_answer.hpp"

namespace coppice {

// Calls `read`, which answers at once, or `refuse` with why not.
template <class Read, class Refuse>
kj::Promise<void> when_readable(edge_context& edge, Read read, Refuse refuse) {
    if (!edge.reads.open) {
        read();
        return kj::READY_NOW;
    }
    if (edge.reads.open()) {
        read();
        // The lease ended while it was read: another node may have acknowledged something meanwhile.
        if (!edge.reads.open()) refuse(failure{errc::unavailable, "the shard's primary changed; read again", 100});
        return kj::READY_NOW;
    }
    auto [promise, answer] = make_loop_answer<expected<void>>(edge.inbox);
    edge.reads.wait([answer = std::move(answer)](expected<void> result) { answer->give(std::move(result)); });
    return promise.then([read = std::move(read), refuse = std::move(refuse)](expected<void> result) mutable {
        if (result)
            read();
        else
            refuse(result.error());
    });
}

} // namespace coppice
