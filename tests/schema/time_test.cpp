#include <boost/test/unit_test.hpp>
#include <iostream>
#include <random>
#include <string>

#include "schema/time.hpp"

namespace coppice {
namespace {

std::int64_t us_of(std::string_view text) {
    const auto t = parse_rfc3339(text);
    BOOST_REQUIRE_MESSAGE(t.has_value(), text);
    return to_us(*t);
}

std::int64_t ms_of(std::string_view text) {
    const auto d = parse_duration(text);
    BOOST_REQUIRE_MESSAGE(d.has_value(), text);
    return d->count();
}

} // namespace

BOOST_AUTO_TEST_SUITE(time_text)

BOOST_AUTO_TEST_CASE(every_instant_of_the_years_0000_to_9999_reads_back_from_its_text) {
    const auto seed = std::random_device{}();
    std::mt19937_64 random{seed};
    constexpr std::int64_t first = -62'167'219'200'000'000, last = 253'402'300'799'999'999;
    std::uniform_int_distribution<std::int64_t> any{first, last};
    for (int i = 0; i < 50'000; ++i) {
        const std::int64_t us = i == 0 ? first : i == 1 ? last : any(random);
        const std::string text = to_rfc3339(from_us(us));
        BOOST_REQUIRE_MESSAGE(text.size() == 27 && parse_rfc3339(text) == from_us(us),
                              "seed " << seed << ": " << us << " was written as " << text);
    }
}

BOOST_AUTO_TEST_CASE(an_instant_beyond_rfc_3339_is_written_as_the_nearest_within) {
    BOOST_TEST(to_rfc3339(instant::max()) == "9999-12-31T23:59:59.999999Z");
    BOOST_TEST(to_rfc3339(instant::min()) == "0000-01-01T00:00:00.000000Z");
}

BOOST_AUTO_TEST_CASE(never_has_no_text_and_no_text_is_an_empty_one) {
    BOOST_TEST(to_rfc3339(never).empty());
    BOOST_TEST(!parse_rfc3339("").has_value());
    BOOST_TEST(to_rfc3339(from_us(1)) == "1970-01-01T00:00:00.000001Z");
}

BOOST_AUTO_TEST_CASE(offsets_and_fractions_are_counted_in) {
    const std::int64_t base = us_of("2026-11-20T19:55:01Z");
    BOOST_TEST(base == 1'795'204'501'000'000);
    BOOST_TEST(us_of("2026-11-20t19:55:01z") == base);
    BOOST_TEST(us_of("2026-11-20T21:25:01+01:30") == base);
    BOOST_TEST(us_of("2026-11-20T11:55:01-08:00") == base);
    BOOST_TEST(us_of("2026-11-21T00:00:01+04:05") == base);
    BOOST_TEST(us_of("2026-11-20T19:55:01.5Z") == base + 500'000);
    BOOST_TEST(us_of("2026-11-20T19:55:01.000001Z") == base + 1);
    BOOST_TEST(us_of("2026-11-20T19:55:01.123456999Z") == base + 123'456);
    BOOST_TEST(us_of("2024-02-29T00:00:00Z") == us_of("2024-02-28T00:00:00Z") + 86'400'000'000);
    BOOST_TEST(us_of("2016-12-31T23:59:60Z") == us_of("2017-01-01T00:00:00Z"));
}

BOOST_AUTO_TEST_CASE(what_is_no_rfc_3339_date_time_is_refused) {
    for (const std::string_view text : {"2026-11-20",
                                        "2026-11-20T19:55:01",
                                        "2026-11-20T19:55Z",
                                        "2026-02-29T00:00:00Z",
                                        "2026-13-01T00:00:00Z",
                                        "2026-00-01T00:00:00Z",
                                        "2026-01-00T00:00:00Z",
                                        "2026-01-32T00:00:00Z",
                                        "2026-01-01T24:00:00Z",
                                        "2026-01-01T00:60:00Z",
                                        "2026-01-01T00:00:61Z",
                                        "2026-01-01T00:00:00.Z",
                                        "2026-01-01T00:00:00.1234567890Z",
                                        "2026-01-01T00:00:00+24:00",
                                        "2026-01-01T00:00:00+01:60",
                                        "2026-01-01T00:00:00+0100",
                                        "2026-01-01T00:00:00Zx",
                                        " 2026-01-01T00:00:00Z",
                                        "2026/01/01T00:00:00Z",
                                        "2026-01-01_00:00:00Z",
                                        "-026-01-01T00:00:00Z",
                                        "2026-01-01T00-00-00Z",
                                        "2026-01-01T00:00:00,5Z",
                                        "+2026-01-01T00:00:00Z"})
        BOOST_CHECK_MESSAGE(!parse_rfc3339(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(a_text_cut_anywhere_is_refused) {
    const std::string text = "2026-11-20T19:55:01.123456+01:30";
    for (std::size_t size = 0; size < text.size(); ++size)
        BOOST_CHECK_MESSAGE(!parse_rfc3339(text.substr(0, size)).has_value(), text.substr(0, size));
    BOOST_TEST(parse_rfc3339(text).has_value());
}

BOOST_AUTO_TEST_CASE(every_duration_up_to_ten_years_reads_back_from_its_text) {
    const auto seed = std::random_device{}();
    std::mt19937_64 random{seed};
    constexpr std::int64_t ten_years = std::int64_t{3653} * 86'400'000;
    for (int i = 0; i < 50'000; ++i) {
        const auto bound = std::int64_t{1} << (1 + random() % 39);
        const std::int64_t ms = i == 0 ? ten_years : static_cast<std::int64_t>(random()) & (bound - 1);
        if (ms > ten_years) continue;
        const std::string text = format_duration(milliseconds{ms});
        BOOST_REQUIRE_MESSAGE(parse_duration(text) == milliseconds{ms},
                              "seed " << seed << ": " << ms << " was written as " << text);
    }
}

BOOST_AUTO_TEST_CASE(a_duration_is_the_sum_of_its_parts) {
    BOOST_TEST(ms_of("250ms") == 250);
    BOOST_TEST(ms_of("90s") == 90'000);
    BOOST_TEST(ms_of("1h30m") == 5'400'000);
    BOOST_TEST(ms_of("30m1h") == 5'400'000);
    BOOST_TEST(ms_of("2d") == 172'800'000);
    BOOST_TEST(ms_of("0") == 0);
    BOOST_TEST(ms_of("0s") == 0);
    BOOST_TEST(format_duration(milliseconds{5'400'000}) == "1h30m");
    BOOST_TEST(format_duration(milliseconds{1'500}) == "1s500ms");
    BOOST_TEST(format_duration(milliseconds{0}) == "0");
}

BOOST_AUTO_TEST_CASE(what_is_no_duration_or_too_long_is_refused) {
    for (const std::string_view text : {"",
                                        "5",
                                        "00",
                                        "s",
                                        "ms",
                                        "-1s",
                                        "+1s",
                                        "1 s",
                                        " 1s",
                                        "1s ",
                                        "1.5s",
                                        "1S",
                                        "1sec",
                                        "1w",
                                        "1y",
                                        "1us",
                                        "1m s",
                                        "3654d",
                                        "3653d1ms",
                                        "99999999999999999999s",
                                        "9223372036854775808ms",
                                        "315619200001ms",
                                        "1d3653d",
                                        "1h30"})
        BOOST_CHECK_MESSAGE(!parse_duration(text).has_value(), text);
    BOOST_TEST(ms_of("3653d") == 315'619'200'000);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
