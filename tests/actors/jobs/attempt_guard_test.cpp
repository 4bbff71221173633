#include <boost/test/unit_test.hpp>

#include "actors/jobs/attempt_guard.hpp"

namespace coppice::testing {
namespace {

constexpr instant start{std::chrono::seconds{1'800'000'000}};
constexpr milliseconds one_second{1000};

} // namespace

BOOST_AUTO_TEST_SUITE(the_guard_of_an_attempt)

BOOST_AUTO_TEST_CASE(an_attempt_may_run_until_its_timeout_and_no_longer) {
    attempt_guard g{{start, 10 * one_second, {}}};
    BOOST_TEST((g.next_deadline() == start + 10 * one_second));
    BOOST_TEST(!g.expired(start + 10 * one_second - microseconds{1}).has_value());
    BOOST_TEST((g.expired(start + 10 * one_second) == errc::timeout_attempt));
    g.heard(start + 9 * one_second); // hearing from it gives no more time
    BOOST_TEST((g.expired(start + 10 * one_second) == errc::timeout_attempt));
}

BOOST_AUTO_TEST_CASE(a_heartbeat_moves_the_silence_not_the_end) {
    attempt_guard g{{start, 10 * one_second, 3 * one_second}};
    BOOST_TEST((g.next_deadline() == start + 3 * one_second));
    BOOST_TEST((g.expired(start + 3 * one_second) == errc::timeout_heartbeat));
    g.heard(start + 2 * one_second);
    BOOST_TEST(!g.expired(start + 3 * one_second).has_value());
    BOOST_TEST((g.next_deadline() == start + 5 * one_second));
    g.heard(start + 9 * one_second);
    BOOST_TEST((g.next_deadline() == start + 10 * one_second));
}

BOOST_AUTO_TEST_CASE(when_both_clocks_are_over_the_attempts_own_timeout_is_named) {
    const attempt_guard g{{start, 10 * one_second, 3 * one_second}};
    BOOST_TEST((g.expired(start + 20 * one_second) == errc::timeout_attempt));
}

BOOST_AUTO_TEST_CASE(news_from_the_past_take_no_time_away) {
    attempt_guard g{{start, {}, 3 * one_second}};
    g.heard(start + 5 * one_second);
    g.heard(start + 1 * one_second);
    BOOST_TEST((g.next_deadline() == start + 8 * one_second));
}

BOOST_AUTO_TEST_CASE(without_timeouts_there_is_no_deadline) {
    const attempt_guard g{{start, {}, {}}};
    BOOST_TEST(!g.next_deadline().has_value());
    BOOST_TEST(!g.expired(start + std::chrono::hours{1000}).has_value());
}

BOOST_AUTO_TEST_CASE(an_executor_is_told_to_stop_once) {
    attempt_guard g{{start, 10 * one_second, {}}};
    BOOST_TEST(!g.cancelling());
    BOOST_TEST(g.ask_cancel());
    BOOST_TEST(!g.ask_cancel());
    BOOST_TEST(g.cancelling());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
