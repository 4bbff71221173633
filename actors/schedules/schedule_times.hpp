// The times of a schedule: a cron expression on the clocks of a time zone, or an interval.
//
// When clocks go forward, times that are left out come at the first moment after them; when they go back, times
// that come twice count once, the first. So a job of 02:30 runs every day. An expression that names no hours goes
// by time that passes instead: "*/10 * * * *" is every ten minutes, whatever the clocks do. (Vixie's cron draws the
// same line.)
//
// Pure but for the time zone database of the system, which is read when a zone is first named. Any thread.
#pragma once

#include <memory>

#include "actors/schedules/cron_expression.hpp"
#include "actors/schedules/schedule_spec.hpp"
#include "schema/time.hpp"

namespace date {
class time_zone;
}

namespace coppice {

class schedule_times {
  public:
    // invalid_argument: cron's words, or that the zone is not known to this machine.
    static expected<schedule_times> make(const schedule_timing& timing);

    // The first time after `after`; nothing when there is none in years.
    std::optional<instant> next(instant after) const;

  private:
    std::optional<instant> next_by_clock(std::chrono::sys_seconds after) const;
    std::optional<instant> next_by_passing(std::chrono::sys_seconds after) const;

    std::optional<cron_expression> cron_;
    const date::time_zone* zone_ = nullptr; // the database's, for good
    milliseconds every_{};
};

} // namespace coppice
