// What a call names may have been declared at another node a moment ago. Before such a name is refused, this node
// makes sure that it has heard of everything.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/loop_answer.hpp"
#include "schema/limits.hpp"

namespace coppice {

// Refused for want of a declaration that this node knows of.
inline bool is_undeclared(errc code) { return code == errc::unknown_tenant || code == errc::unknown_type; }

// Calls `go` at once when the names are known; else when this node's board has come to what is declared now, or
// after limits::declared_wait_max. `go` looks them up itself.
template <class Go>
kj::Promise<void> when_declared(edge_context& edge, kj::Timer& timer, bool known, Go go) {
    if (known || !edge.refresh_declared) return go();
    auto [refreshed, answer] = make_loop_answer<bool>(edge.inbox);
    edge.refresh_declared([answer = std::move(answer)] { answer->give(true); });
    const auto patience =
        std::chrono::duration_cast<milliseconds>(limits::declared_wait_max).count() * kj::MILLISECONDS;
    return refreshed.ignoreResult().exclusiveJoin(timer.afterDelay(patience)).then(std::move(go));
}

} // namespace coppice
