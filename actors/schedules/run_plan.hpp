// Which runs of a schedule are to be made now. Pure: the primary of a shard asks, and what comes of it is a
// command.
#pragma once

#include <vector>

#include "actors/schedules/schedule_spec.hpp"
#include "actors/schedules/schedule_times.hpp"
#include "schema/ids.hpp"

namespace coppice {

struct run_plan {
    std::vector<instant> runs; // their times, the oldest first; at most limits::schedule_runs_max
    std::uint64_t missed = 0;  // times that pass without one
    instant next = never;      // the time after those; never: there is none
};

// `schedule`: its number. `next`: the time that is due, or never when none is known (the schedule is new, or its
// timing is): then nothing is made for what has passed. A time is missed when its run is late by more than
// limits::schedule_late_max.
run_plan plan_runs(const schedule_spec& spec, std::uint32_t schedule, const schedule_times& times, instant next,
                   instant now);

// When the run of that time is made: up to `jitter` later, always the same for one schedule and time.
instant run_due(const schedule_spec& spec, std::uint32_t schedule, instant time);

} // namespace coppice
