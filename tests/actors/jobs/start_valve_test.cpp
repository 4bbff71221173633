// A node that is paused, or starts its jobs at a rate.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct valve_world : world {
    explicit valve_world(start_valve::setting first, int jobs = 40) : valve(first) {
        declare_usual();
        machine().start_through(&valve);
        attach(worker_id{1}, {"build"}, 1000);
        for (int i = 0; i < jobs; ++i) submit();
    }
    std::size_t running() { return rows(table::running); }

    start_valve valve;
};

} // namespace

BOOST_AUTO_TEST_SUITE(start_valves)

BOOST_AUTO_TEST_CASE(a_closed_valve_starts_nothing_and_asks_again_while_something_waits) {
    valve_world w({.closed = true});
    BOOST_TEST(w.running() == 0U);
    BOOST_TEST((w.machine().next_due(*w.data().begin_read()) == w.now() + limits::closed_valve_look));
    w.valve.set({});
    w.pass(limits::closed_valve_look);
    w.plan();
    BOOST_TEST(w.running() == 40U);
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()));
}

BOOST_AUTO_TEST_CASE(a_closed_valve_asks_nothing_when_nothing_waits) {
    valve_world w({.closed = true}, 0);
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()));
}

BOOST_AUTO_TEST_CASE(a_rate_is_held_over_any_second) {
    valve_world w({.per_second = 20}, 400);
    std::vector<std::size_t> at_the_end_of_each{w.running()};
    for (int second = 0; second < 10; ++second) {
        const instant end = w.now() + std::chrono::seconds{1};
        while (w.now() < end) {
            const auto due = w.machine().next_due(*w.data().begin_read());
            BOOST_REQUIRE(due.has_value()); // so that somebody wakes it
            w.set_clock(std::min(end, std::max(*due, w.now() + microseconds{1})));
            w.plan();
        }
        at_the_end_of_each.push_back(w.running());
    }
    for (std::size_t i = 1; i < at_the_end_of_each.size(); ++i) {
        const std::size_t started = at_the_end_of_each[i] - at_the_end_of_each[i - 1];
        BOOST_TEST((started >= 19U && started <= 23U), started);
    }
    w.valve.set({});
    w.pass(std::chrono::milliseconds{100});
    w.plan();
    BOOST_TEST(w.running() == 400U);
}

BOOST_AUTO_TEST_CASE(machines_of_one_node_share_its_rate) {
    valve_world a({.per_second = 20}, 100);
    valve_world b({}, 0);
    b.machine().start_through(&a.valve);
    for (int i = 0; i < 100; ++i) b.submit();
    for (int step = 0; step < 100; ++step)
        for (valve_world* each : {&a, &b}) {
            each->pass(std::chrono::milliseconds{10});
            each->plan();
        }
    const std::size_t started = a.running() + b.running();
    BOOST_TEST((started >= 19U && started <= 24U), started);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
