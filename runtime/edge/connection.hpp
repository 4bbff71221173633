// What one connection has at a time, and how much of it: shared by its stream, the gate and all that the gate
// granted. The loop's own.
#pragma once

#include <memory>

#include "schema/errc.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct connection_state {
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

// For a call that does not end at once. Such calls are what can pile up.
inline place take_call(const connection_ptr& of) {
    return place::take(of, &connection_state::calls, limits::rpc_calls_per_connection_max);
}

inline failure too_many_calls() {
    return {errc::overloaded,
            std::to_string(limits::rpc_calls_per_connection_max) +
                " calls are under way on this connection; wait for some of them",
            100};
}

} // namespace coppice
