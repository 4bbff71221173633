// What one connection has at a time, and how much of it: shared by its stream, the gate and all that the gate
// granted. The loop's own.
#pragma once

#include <memory>

#include "schema/errc.hpp"
#include "schema/limits.hpp"

namespace coppice {

// Of all connections of the node: what a stop waits for.
struct calls_under_way {
    std::size_t count = 0; // that change something
    bool stopping = false; // none is begun any more
};

struct connection_state {
    std::shared_ptr<calls_under_way> all = std::make_shared<calls_under_way>();
    bool known = false;       // a login succeeded
    std::size_t logins = 0;   // tried
    std::size_t calls = 0;    // under way
    std::size_t sessions = 0; // of workers
};
using connection_ptr = std::shared_ptr<connection_state>;

// One of what a connection has a bounded number of; given back when it is dropped. May outlive the connection.
class place {
  public:
    // False when all are taken.
    static place take(const connection_ptr& of, std::size_t connection_state::*what, std::size_t most) {
        std::size_t& taken = (*of).*what;
        return taken < most ? place{{of, &taken}} : place{nullptr};
    }
    place(place&&) noexcept = default;
    place& operator=(place&&) = delete;
    ~place() {
        if (taken_) --*taken_;
    }
    explicit operator bool() const { return taken_ != nullptr; }

  private:
    explicit place(std::shared_ptr<std::size_t> taken) : taken_(std::move(taken)) {
        if (taken_) ++*taken_;
    }
    std::shared_ptr<std::size_t> taken_;
};

// A call that does not end at once; over when it is dropped.
class call_place {
  public:
    call_place(place of_connection, std::shared_ptr<calls_under_way> all)
        : of_connection_(std::move(of_connection)), all_(std::move(all)) {
        if (all_) ++all_->count;
    }
    call_place(call_place&&) noexcept = default;
    call_place& operator=(call_place&&) = delete;
    ~call_place() {
        if (all_) --all_->count;
    }

  private:
    place of_connection_;
    std::shared_ptr<calls_under_way> all_;
};

// Such calls are what can pile up: overloaded, when the connection has its share; node_stopping. One that only
// `waits` for news is not waited for when the node stops: it may be asked anew elsewhere.
enum class call_kind : std::uint8_t { changes, waits };
inline expected<call_place> take_call(const connection_ptr& of, call_kind kind = call_kind::changes) {
    if (of->all->stopping) return fail(errc::node_stopping, "this node stops");
    auto taken = place::take(of, &connection_state::calls, limits::rpc_calls_per_connection_max);
    if (!taken)
        return fail(errc::overloaded,
                    std::to_string(limits::rpc_calls_per_connection_max) +
                        " calls are under way on this connection; wait for some of them",
                    100);
    return call_place{std::move(taken), kind == call_kind::changes ? of->all : nullptr};
}

} // namespace coppice
