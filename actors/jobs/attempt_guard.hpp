// The guard of one running attempt, as a pure machine: it knows the attempt's deadlines and says what is to be
// done.
//
// Two clocks run: the attempt's own timeout, from its start, and the heartbeat's, from when it was heard last. A
// cancel starts a third, the grace. Whichever ends first takes the attempt away; after that the guard is silent.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice {

class attempt_guard {
  public:
    struct spec {
        instant started = never;
        milliseconds attempt_timeout{}; // 0: none
        milliseconds heartbeat_timeout{};
    };
    explicit attempt_guard(spec s) : spec_(s), heard_(s.started) {}

    // When to look again; nullopt: no deadline.
    std::optional<instant> next_deadline() const {
        std::optional<instant> next;
        if (spec_.attempt_timeout.count() > 0) next = spec_.started + spec_.attempt_timeout;
        if (spec_.heartbeat_timeout.count() > 0) {
            const instant silent = heard_ + spec_.heartbeat_timeout;
            next = next ? std::min(*next, silent) : silent;
        }
        return next;
    }

    void heard(instant now) { heard_ = std::max(heard_, now); }

    // Why the attempt is to be taken away now, if it is.
    std::optional<errc> expired(instant now) const {
        if (spec_.attempt_timeout.count() > 0 && now >= spec_.started + spec_.attempt_timeout)
            return errc::timeout_attempt;
        if (spec_.heartbeat_timeout.count() > 0 && now >= heard_ + spec_.heartbeat_timeout)
            return errc::timeout_heartbeat;
        return std::nullopt;
    }

    // Whether the executor is to be told: once.
    bool ask_cancel() { return !std::exchange(cancelling_, true); }
    bool cancelling() const { return cancelling_; }

  private:
    spec spec_;
    instant heard_;
    bool cancelling_ = false;
};

} // namespace coppice
