// What a document of kind Schedule declares: when which job is made, and what happens when times and runs meet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

// A run is due while the one before has not ended.
enum class overlap_policy : std::uint8_t {
    skip = 0,       // it is not made
    buffer_one = 1, // it is made when that one has ended; one waits at the most
    allow = 2,      // it is made
    cancel_other = 3,
};

// Times that passed while nothing could be made: no node was there, or it was too late.
enum class missed_policy : std::uint8_t {
    skip = 0, // they are gone
    one = 1,  // one run, for the last of them
    all = 2,  // a run for each, the oldest first
};

// Either cron or every.
struct schedule_timing {
    std::string cron;
    std::string zone = "UTC"; // of the IANA time zone database; cron's alone
    milliseconds every{};     // multiples of it since the epoch
    bool operator==(const schedule_timing&) const = default;
};

inline std::string_view to_string(overlap_policy p) {
    switch (p) {
    case overlap_policy::skip:
        return "skip";
    case overlap_policy::buffer_one:
        return "buffer_one";
    case overlap_policy::allow:
        return "allow";
    case overlap_policy::cancel_other:
        return "cancel_other";
    }
    return "unknown";
}

inline std::string_view to_string(missed_policy p) {
    switch (p) {
    case missed_policy::skip:
        return "skip";
    case missed_policy::one:
        return "one";
    case missed_policy::all:
        return "all";
    }
    return "unknown";
}

struct schedule_spec {
    std::string name;
    std::string tenant;
    std::string type;
    std::string payload; // JSON; empty: null
    std::uint32_t priority = limits::priority_default;
    schedule_timing timing;
    overlap_policy overlap = overlap_policy::skip;
    missed_policy missed = missed_policy::skip;
    milliseconds catch_up = limits::schedule_catch_up_default; // older times are gone, whatever `missed` says
    milliseconds jitter{};                                     // each run comes up to so much later than its time
    bool paused = false;

    bool operator==(const schedule_spec&) const = default;
};

} // namespace coppice
