// The words of supervision, exactly Erlang/OTP's (OTP Design Principles, "Supervisor Behaviour"): what a supervisor
// does about a child that ends, and how long it waits for one that should. Plain values: no actors here; the part
// of a child spec that starts an actor is in supervised_actor.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

enum class restart_type : std::uint8_t {
    permanent, // always restarted
    transient, // restarted after a failure only: not after `normal`, not after `shutdown`
    temporary, // never restarted
};

enum class child_kind : std::uint8_t { worker, supervisor };

enum class strategy : std::uint8_t {
    one_for_one,        // restart the child that failed
    rest_for_one,       // and those after it
    one_for_all,        // and all others
    simple_one_for_one, // many children of one template, come and go at run time; stopped all at once
};

// How a child is stopped: told to exit, and killed once the grace is over.
struct shutdown_rule {
    milliseconds grace = limits::shutdown_grace_default;
    bool operator==(const shutdown_rule&) const = default;
};
inline constexpr shutdown_rule brutal_kill{milliseconds{0}};
inline constexpr shutdown_rule infinity{milliseconds{-1}}; // for supervisors, which bound their own children
constexpr shutdown_rule shutdown_after(milliseconds grace) { return {grace}; }

// More than `restarts` restarts within `period`: the supervisor gives up and escalates.
struct restart_intensity {
    std::uint32_t restarts = 10;
    milliseconds period{60'000};
    bool operator==(const restart_intensity&) const = default;
};

// The first restart of a child comes at once. The n-th in a row after it comes after a random part, between one
// half and all, of min(max, base * 2^(n-1)) ("equal jitter", Brooker, AWS Architecture Blog, 2015). A child that
// stayed up for `stable` starts anew at the first.
struct backoff_spec {
    milliseconds base{50};
    milliseconds max{10'000};
    milliseconds stable{30'000};
    bool operator==(const backoff_spec&) const = default;
};

struct child_rules {
    restart_type restart = restart_type::permanent;
    shutdown_rule shutdown{};
    bool operator==(const child_rules&) const = default;
};

struct supervisor_rules {
    coppice::strategy strategy = coppice::strategy::one_for_one;
    restart_intensity intensity{};
    backoff_spec backoff{};
    bool operator==(const supervisor_rules&) const = default;
};

constexpr std::string_view to_string(restart_type r) {
    return r == restart_type::permanent ? "permanent" : r == restart_type::transient ? "transient" : "temporary";
}
constexpr std::string_view to_string(child_kind k) { return k == child_kind::worker ? "worker" : "supervisor"; }
constexpr std::string_view to_string(strategy s) {
    return s == strategy::one_for_one    ? "one_for_one"
           : s == strategy::rest_for_one ? "rest_for_one"
           : s == strategy::one_for_all  ? "one_for_all"
                                         : "simple_one_for_one";
}

} // namespace coppice
