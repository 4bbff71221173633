// Cron expressions and the times that they give: against what is written down, and against an oracle that looks at
// every minute of a year as the C library's clocks show it.
#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <ctime>
#include <random>
#include <set>

#include "actors/schedules/schedule_times.hpp"

namespace coppice::testing {
namespace {

std::string times_of(const std::string& cron, const std::string& zone, const std::string& from, int count) {
    const auto times = schedule_times::make({.cron = cron, .zone = zone});
    if (!times) return times.error().detail;
    std::string text;
    std::optional<instant> at = parse_rfc3339(from);
    for (int i = 0; i < count && at; ++i)
        if ((at = times->next(*at))) text += (text.empty() ? "" : " ") + to_rfc3339(*at).substr(0, 16);
    return text;
}

std::string why_not(const std::string& cron) {
    const auto parsed = cron_expression::parse(cron);
    return parsed ? "" : parsed.error().detail;
}

// What the clocks of a zone show in each minute of a year, by localtime_r.
struct minute {
    int month, day, weekday, hour, minute;
    std::int64_t local; // minutes, as the clocks show them
};
std::vector<minute> year_of(const char* zone, std::int64_t first_minute) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    std::vector<minute> all;
    for (std::int64_t i = 0; i < 366 * 24 * 60; ++i) {
        const std::time_t at = (first_minute + i) * 60;
        std::tm tm{};
        ::localtime_r(&at, &tm);
        all.push_back(
            {tm.tm_mon + 1, tm.tm_mday, tm.tm_wday, tm.tm_hour, tm.tm_min, first_minute + i + tm.tm_gmtoff / 60});
    }
    return all;
}

// An expression, and the sets of numbers that it means.
struct random_cron {
    std::set<int> minutes, hours, days, months, weekdays;
    bool any_day = false, any_weekday = false, any_hour = false;
    std::string text;

    bool matches(const minute& m) const {
        const bool of_month = days.contains(m.day), of_week = weekdays.contains(m.weekday);
        const bool day = any_day || any_weekday ? of_month && of_week : of_month || of_week;
        return day && months.contains(m.month) && hours.contains(m.hour) && minutes.contains(m.minute);
    }
};

std::string random_field(std::mt19937_64& random, int first, int last, std::set<int>& into, bool& any) {
    const auto between = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    const auto fill = [&](int low, int high, int step) {
        for (int i = low; i <= high; i += step) into.insert(i);
    };
    any = false;
    switch (between(0, 4)) {
    case 0:
        any = true;
        fill(first, last, 1);
        return "*";
    case 1: {
        any = true;
        const int step = between(2, std::max(2, (last - first) / 2));
        fill(first, last, step);
        return "*/" + std::to_string(step);
    }
    case 2: {
        const int low = between(first, last), high = between(low, last), step = between(1, 3);
        fill(low, high, step);
        return std::to_string(low) + "-" + std::to_string(high) + "/" + std::to_string(step);
    }
    default: {
        std::string text;
        for (int n = between(1, 3); n > 0; --n) {
            const int value = between(first, last);
            into.insert(value);
            text += (text.empty() ? "" : ",") + std::to_string(value);
        }
        return text;
    }
    }
}

random_cron make_cron(std::mt19937_64& random) {
    random_cron c;
    bool ignored = false;
    c.text = random_field(random, 0, 59, c.minutes, ignored);
    c.text += " " + random_field(random, 0, 23, c.hours, ignored);
    c.any_hour = c.hours.size() == 24;
    c.text += " " + random_field(random, 1, 31, c.days, c.any_day);
    c.text += " " + random_field(random, 1, 12, c.months, ignored);
    c.text += " " + random_field(random, 0, 6, c.weekdays, c.any_weekday);
    return c;
}

// Minutes since the epoch at which it fires, found minute by minute.
std::vector<std::int64_t> oracle(const random_cron& c, const std::vector<minute>& year, std::int64_t first_minute) {
    std::vector<std::int64_t> fires;
    std::int64_t furthest = year.front().local;
    // What the clocks left out, as if they had shown it.
    const auto shown = [&](std::int64_t local) {
        const std::time_t at = local * 60;
        std::tm tm{};
        ::gmtime_r(&at, &tm);
        return minute{tm.tm_mon + 1, tm.tm_mday, tm.tm_wday, tm.tm_hour, tm.tm_min, local};
    };
    for (std::size_t i = 1; i < year.size(); ++i) {
        bool fire = c.matches(year[i]);
        if (!c.any_hour) {
            fire = fire && year[i].local > furthest;
            for (std::int64_t local = furthest + 1; local < year[i].local; ++local)
                fire = fire || c.matches(shown(local));
        }
        furthest = std::max(furthest, year[i].local);
        if (fire) fires.push_back(first_minute + static_cast<std::int64_t>(i));
    }
    return fires;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cron, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(expressions_mean_what_crontab_says) {
    BOOST_TEST(times_of("0 3 * * *", "UTC", "2026-01-01T00:00:00Z", 2) == "2026-01-01T03:00 2026-01-02T03:00");
    BOOST_TEST(times_of("*/20 8-9 * * mon-fri", "UTC", "2026-01-02T09:30:00Z", 2) ==
               "2026-01-02T09:40 2026-01-05T08:00");
    BOOST_TEST(times_of("0 0 13 * fri", "UTC", "2026-02-01T00:00:00Z", 3) ==
               "2026-02-06T00:00 2026-02-13T00:00 2026-02-20T00:00"); // either day
    BOOST_TEST(times_of("0 12 29 feb *", "UTC", "2096-03-01T00:00:00Z", 1) == "2104-02-29T12:00");
    BOOST_TEST(times_of("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", 1) == "2026-01-04T00:00");
    BOOST_TEST(times_of("5/25 * * * *", "UTC", "2026-01-01T00:00:00Z", 4) ==
               "2026-01-01T00:05 2026-01-01T00:30 2026-01-01T00:55 2026-01-01T01:05");
    BOOST_TEST(times_of("@weekly", "UTC", "2026-01-01T00:00:00Z", 1) == "2026-01-04T00:00");
    const auto seconds = schedule_times::make({.cron = "*/15 * * * * *"});
    BOOST_TEST(
        to_rfc3339(*seconds->next(*parse_rfc3339("2026-01-01T00:00:31Z"))).starts_with("2026-01-01T00:00:45"));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
    const auto says = [](const std::string& cron, const std::string& part) {
        BOOST_TEST(why_not(cron).find(part) != std::string::npos, cron << ": " << why_not(cron));
    };
    says("", "it has 0 fields");
    says("* * * *", "it has 4 fields");
    says("60 * * * *", "the minute \"60\"");
    says("* 24 * * *", "the hour \"24\"");
    says("* * 0 * *", "the day of the month \"0\"");
    says("* * * foo *", "the month \"foo\"");
    says("* * * * 8", "the day of the week \"8\"");
    says("5-1 * * * *", "the minute \"5-1\"");
    says("*/0 * * * *", "the minute \"*/0\"");
    says("1,,2 * * * *", "the minute \"1,,2\"");
    says("0 0 30 2 *", "no day ever fits");
    says("99999999999999999999 * * * *", "the minute");
    BOOST_TEST(times_of("0 0 * * *", "Mars/Olympus", "2026-01-01T00:00:00Z", 1).find("no time zone") !=
               std::string::npos);
    BOOST_TEST(times_of("0 0 * * *", "../../etc/passwd", "2026-01-01T00:00:00Z", 1).find("no time zone") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(clocks_that_change_leave_no_run_out_and_make_none_twice) {
    // Berlin, 29 March 2026: 02:00 becomes 03:00; 25 October 2026: 03:00 becomes 02:00.
    BOOST_TEST(times_of("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2) ==
               "2026-03-29T01:00 2026-03-30T00:30");
    BOOST_TEST(times_of("*/15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2) ==
               "2026-03-29T01:00 2026-03-30T00:00");
    BOOST_TEST(times_of("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2) ==
               "2026-10-25T00:30 2026-10-26T01:30");
    BOOST_TEST(times_of("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3) ==
               "2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30");
}

BOOST_AUTO_TEST_CASE(an_interval_goes_by_multiples_since_the_epoch) {
    const auto times = schedule_times::make({.every = std::chrono::minutes{15}});
    BOOST_TEST(to_rfc3339(*times->next(*parse_rfc3339("2026-01-01T00:07:00Z"))).starts_with("2026-01-01T00:15:00"));
    BOOST_TEST(to_rfc3339(*times->next(*parse_rfc3339("2026-01-01T00:15:00Z"))).starts_with("2026-01-01T00:30:00"));
}

BOOST_AUTO_TEST_CASE(a_year_of_random_expressions_fires_as_an_oracle_says) {
    const char* given = std::getenv("COPPICE_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random{seed};
    const std::int64_t first = parse_rfc3339("2026-01-01T00:00:00Z")->time_since_epoch() / std::chrono::minutes{1};
    const char* before = std::getenv("TZ");
    const std::string kept = before != nullptr ? before : "";
    for (const char* zone : {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
                             "America/St_Johns"}) {
        const auto year = year_of(zone, first);
        for (int i = 0; i < 12; ++i) {
            const random_cron c = make_cron(random);
            BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed << ", " << zone << ", \"" << c.text << "\"") {
                const auto times = schedule_times::make({.cron = c.text, .zone = zone});
                if (!times) { // such as 31 February
                    BOOST_TEST(oracle(c, year, first).empty());
                    continue;
                }
                instant at{std::chrono::minutes{first}};
                for (const std::int64_t expected : oracle(c, year, first)) {
                    const auto found = times->next(at);
                    BOOST_REQUIRE(found.has_value());
                    BOOST_REQUIRE_EQUAL(to_rfc3339(*found), to_rfc3339(instant{std::chrono::minutes{expected}}));
                    at = *found;
                }
            }
        }
    }
    before != nullptr ? ::setenv("TZ", kept.c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
