// Cron expressions: which seconds of local time are meant. "minute hour day-of-month month day-of-week", or six
// fields with seconds before them. A field is "*", numbers, ranges "a-b", steps "*/n", "a-b/n" and "a/n" (from a
// on), and lists of these; months and days of the week also by their first three letters; 7 is Sunday as 0 is. When
// neither day field begins with "*", a day that fits either is meant. "@hourly", "@daily" (or "@midnight"),
// "@weekly", "@monthly" and "@yearly" (or
// "@annually") are what they say.
//
// Source: POSIX crontab(5), and Vixie's cron for steps, names and "@" words. Pure; any thread.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string_view>

#include "schema/errc.hpp"

namespace coppice {

using local_second = std::chrono::time_point<std::chrono::local_t, std::chrono::seconds>;

class cron_expression {
  public:
    // invalid_argument: which field is wrong, and what it may be; or that no day ever fits (30 February).
    static expected<cron_expression> parse(std::string_view text);

    // The first second after `after` that is meant; nothing within the nine years that the rarest day takes to
    // come.
    std::optional<local_second> next(local_second after) const;
    bool matches(local_second at) const;
    // Whether it names no hours: then it goes by time that passes, not by the clock on the wall.
    bool every_hour() const { return every_hour_; }

  private:
    bool day_matches(std::chrono::year_month_day day) const;
    std::optional<std::chrono::seconds> first_time(std::chrono::seconds from) const;

    std::bitset<60> seconds_, minutes_;
    std::bitset<24> hours_;
    std::bitset<32> days_;    // 1 .. 31
    std::bitset<13> months_;  // 1 .. 12
    std::bitset<7> weekdays_; // 0: Sunday
    bool any_day_ = false;    // the field begins with "*"
    bool any_weekday_ = false;
    bool every_hour_ = false;
};

} // namespace coppice
