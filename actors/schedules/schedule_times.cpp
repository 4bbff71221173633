#include "actors/schedules/schedule_times.hpp"

#include <date/tz.h>

#include <stdexcept>

namespace coppice {
namespace {

using namespace std::chrono;

// The library's calendar and the standard's count the same seconds.
local_second to_local(sys_seconds at, seconds offset) { return local_second{at.time_since_epoch() + offset}; }
sys_seconds to_utc(local_second at, seconds offset) { return sys_seconds{at.time_since_epoch() - offset}; }
date::local_seconds as_library(local_second at) { return date::local_seconds{at.time_since_epoch()}; }

} // namespace

expected<schedule_times> schedule_times::make(const schedule_timing& timing) {
    schedule_times made;
    if (timing.cron.empty()) {
        made.every_ = timing.every;
        return made;
    }
    auto cron = cron_expression::parse(timing.cron);
    if (!cron) return fail(cron.error().code, "cron \"" + timing.cron + "\": " + cron.error().detail);
    made.cron_ = *cron;
    try {
        made.zone_ = date::locate_zone(timing.zone);
    } catch (const std::runtime_error&) { // the library's only way to say no
        return fail(errc::invalid_argument, "this node knows no time zone \"" + timing.zone +
                                                "\"; it is to be one such as Europe/Berlin, and the package tzdata "
                                                "must be there");
    }
    return made;
}

std::optional<instant> schedule_times::next(instant after) const {
    if (!cron_) {
        if (every_.count() <= 0) return std::nullopt;
        const auto passed = after.time_since_epoch() / duration_cast<microseconds>(every_);
        return instant{(passed + 1) * duration_cast<microseconds>(every_)};
    }
    const sys_seconds from = floor<seconds>(after);
    return cron_->every_hour() ? next_by_passing(from) : next_by_clock(from);
}

// Each stretch of time with one offset by itself: what is left out by the clocks is in none, what comes twice in
// two.
std::optional<instant> schedule_times::next_by_passing(sys_seconds after) const {
    constexpr int stretches_max = 64; // zones change a few times a year at the most; nine years are looked at
    date::sys_info info = zone_->get_info(after);
    for (int i = 0; i < stretches_max; ++i) {
        const auto found = cron_->next(to_local(after, info.offset));
        if (!found) return std::nullopt;
        const sys_seconds at = to_utc(*found, info.offset);
        if (at < info.end) return instant{at};
        after = info.end - seconds{1};
        info = zone_->get_info(info.end);
    }
    return std::nullopt;
}

std::optional<instant> schedule_times::next_by_clock(sys_seconds after) const {
    local_second local = to_local(after, zone_->get_info(after).offset);
    for (;;) {
        const auto found = cron_->next(local);
        if (!found) return std::nullopt;
        const date::local_info info = zone_->get_info(as_library(*found));
        const sys_seconds at = info.result == date::local_info::nonexistent ? sys_seconds{info.first.end}
                                                                            : to_utc(*found, info.first.offset);
        if (at > after) return instant{at};
        local = *found; // the clocks went back, and it has been
    }
}

} // namespace coppice
