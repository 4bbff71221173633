#include "actors/supervision/restart_policy.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

namespace coppice {

using namespace std::chrono_literals;
using kind = supervisor_action::kind;

static std::ostream& boost_test_print_type(std::ostream& out, const supervisor_action& a) {
    return out << "action " << static_cast<int>(a.what) << " child " << a.child << " incarnation " << a.incarnation;
}

namespace {

const instant start_of_time{1h};

// Carries the policy's actions out at once: every start works, every child that is told or killed obeys.
struct obedient_world {
    restart_policy policy;
    instant now = start_of_time;
    std::string log; // "+2" started, "-2" told, "!2" killed, "?2" abandoned, "." finished
    std::vector<std::uint32_t> deaf, hung;

    explicit obedient_world(supervisor_rules rules) : policy(rules) {}

    bool is(const std::vector<std::uint32_t>& list, std::uint32_t child) const {
        return std::find(list.begin(), list.end(), child) != list.end();
    }
    void settle() {
        while (const auto a = policy.next(now)) {
            constexpr char signs[] = {'+', '-', '!', '?', '.'};
            log += signs[static_cast<std::size_t>(a->what)];
            if (a->what != kind::finish) log += std::to_string(a->child);
            const bool obeys = (a->what == kind::tell_exit && !is(deaf, a->child) && !is(hung, a->child)) ||
                               (a->what == kind::kill && !is(hung, a->child));
            if (obeys) policy.exited(a->child, a->incarnation, false, now, 0);
        }
    }
    std::string take() {
        settle();
        return std::exchange(log, {});
    }
    void add(std::size_t count, child_rules rules = {}) {
        for (std::size_t i = 0; i < count; ++i) policy.add(rules, now);
    }
    exit_verdict end(std::uint32_t child, bool failed = true, std::uint64_t random = 0) {
        return policy.exited(child, policy.incarnation(child), failed, now, random);
    }
    void pass(milliseconds time) { now += time; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(restart_policy_rules)

BOOST_AUTO_TEST_CASE(children_start_in_order_and_stop_in_reverse) {
    obedient_world world{{}};
    world.add(3);
    BOOST_TEST(world.take() == "+0+1+2");
    world.policy.shut_down();
    BOOST_TEST(world.take() == "-2-1-0.");
    BOOST_TEST(!world.policy.gave_up());
    BOOST_TEST(world.take() == "");
}

BOOST_AUTO_TEST_CASE(one_for_one_restarts_the_failed_child_alone) {
    obedient_world world{{strategy::one_for_one}};
    world.add(3);
    world.take();
    BOOST_CHECK(world.end(1) == exit_verdict::restarting);
    BOOST_TEST(world.take() == "+1");
}

BOOST_AUTO_TEST_CASE(rest_for_one_restarts_the_failed_child_and_those_after_it) {
    obedient_world world{{strategy::rest_for_one}};
    world.add(4);
    world.take();
    world.end(1);
    BOOST_TEST(world.take() == "-3-2+1+2+3");
}

BOOST_AUTO_TEST_CASE(one_for_all_restarts_all) {
    obedient_world world{{strategy::one_for_all}};
    world.add(4);
    world.take();
    world.end(1);
    BOOST_TEST(world.take() == "-3-2-0+0+1+2+3");
}

BOOST_AUTO_TEST_CASE(nothing_of_a_set_starts_before_all_of_it_has_stopped) {
    obedient_world world{{strategy::one_for_all}};
    world.add(3, {restart_type::permanent, shutdown_after(5s)});
    world.take();
    world.deaf = {2};
    world.end(0);
    BOOST_TEST(world.take() == "-2");
    world.pass(4999ms);
    BOOST_TEST(world.take() == "");
    world.pass(1ms);
    BOOST_TEST(world.take() == "!2-1+0+1+2");
}

BOOST_AUTO_TEST_CASE(restart_types_decide_who_comes_back) {
    for (const bool failed : {false, true}) {
        obedient_world world{{}};
        world.policy.add({restart_type::permanent}, world.now);
        world.policy.add({restart_type::transient}, world.now);
        world.policy.add({restart_type::temporary}, world.now);
        world.take();
        for (std::uint32_t i = 0; i < 3; ++i) world.end(i, failed);
        BOOST_TEST(world.take() == (failed ? "+0+1" : "+0"));
    }
}

BOOST_AUTO_TEST_CASE(a_temporary_child_goes_down_with_its_set_for_good) {
    obedient_world world{{strategy::one_for_all}};
    world.policy.add({restart_type::permanent}, world.now);
    world.policy.add({restart_type::temporary}, world.now);
    world.take();
    world.end(0);
    BOOST_TEST(world.take() == "-1+0");
    world.end(0);
    world.pass(1min);
    BOOST_TEST(world.take() == "+0");
}

BOOST_AUTO_TEST_CASE(intensity_bears_its_number_of_restarts_and_not_one_more) {
    obedient_world world{{strategy::one_for_one, {3, 10s}, {0ms, 0ms, 30s}}};
    world.add(2);
    world.take();
    for (int i = 0; i < 3; ++i) {
        BOOST_CHECK(world.end(1) == exit_verdict::restarting);
        BOOST_TEST(world.take() == "+1");
        world.pass(1s);
    }
    BOOST_CHECK(world.end(1) == exit_verdict::gave_up);
    BOOST_TEST(world.take() == "-0.");
    BOOST_TEST(world.policy.gave_up());
}

BOOST_AUTO_TEST_CASE(restarts_older_than_the_period_are_forgotten) {
    obedient_world world{{strategy::one_for_one, {3, 10s}, {0ms, 0ms, 30s}}};
    world.add(1);
    world.take();
    for (int i = 0; i < 100; ++i) {
        BOOST_CHECK(world.end(0) == exit_verdict::restarting);
        world.take();
        world.pass(3400ms);
    }
}

BOOST_AUTO_TEST_CASE(the_first_restart_is_at_once_and_the_next_back_off) {
    obedient_world world{{strategy::one_for_one, {100, 1h}, {100ms, 1000ms, 30s}}};
    world.add(1);
    world.take();
    world.end(0);
    BOOST_TEST(world.take() == "+0");
    for (const milliseconds full : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        world.end(0, true, 0); // the least of the jitter: one half
        BOOST_TEST(world.take() == "");
        BOOST_TEST((*world.policy.wake_at() - world.now == full / 2));
        world.pass(full / 2 - 1ms);
        BOOST_TEST(world.take() == "");
        world.pass(1ms);
        BOOST_TEST(world.take() == "+0");
    }
    world.pass(30s); // stable again
    world.end(0);
    BOOST_TEST(world.take() == "+0");
}

BOOST_AUTO_TEST_CASE(jitter_stays_between_one_half_and_all) {
    std::mt19937_64 random{7};
    microseconds least = 1h, most{};
    for (int i = 0; i < 2000; ++i) {
        obedient_world world{{strategy::one_for_one, {100, 1h}, {100ms, 1000ms, 30s}}};
        world.add(1);
        world.take();
        world.end(0);
        world.take();
        world.end(0, true, random());
        least = std::min(least, microseconds{*world.policy.wake_at() - world.now});
        most = std::max(most, microseconds{*world.policy.wake_at() - world.now});
    }
    BOOST_TEST(((least >= 50ms && least < 52ms)));
    BOOST_TEST(((most <= 100ms && most > 98ms)));
}

BOOST_AUTO_TEST_CASE(grace_then_kill_then_abandon) {
    obedient_world world{{}};
    world.add(2, {restart_type::permanent, shutdown_after(5s)});
    world.take();
    world.hung = {1};
    world.policy.shut_down();
    BOOST_TEST(world.take() == "-1");
    world.pass(5s);
    BOOST_TEST(world.take() == "!1");
    world.pass(limits::kill_wait);
    BOOST_TEST(world.take() == "?1-0.");
}

BOOST_AUTO_TEST_CASE(brutal_kill_asks_nobody_and_infinity_waits) {
    obedient_world brutal{{}};
    brutal.add(1, {restart_type::permanent, brutal_kill});
    brutal.take();
    brutal.policy.shut_down();
    BOOST_TEST(brutal.take() == "!0.");
    obedient_world patient{{}};
    patient.add(1, {restart_type::permanent, infinity});
    patient.take();
    patient.deaf = {0};
    patient.policy.shut_down();
    BOOST_TEST(patient.take() == "-0");
    BOOST_TEST(!patient.policy.wake_at().has_value());
    patient.pass(24h);
    BOOST_TEST(patient.take() == "");
}

BOOST_AUTO_TEST_CASE(a_failed_first_start_gives_up_and_a_failed_restart_tries_again) {
    restart_policy policy{{strategy::one_for_one, {10, 60s}, {}}};
    policy.add({}, start_of_time);
    policy.add({}, start_of_time);
    BOOST_CHECK(policy.next(start_of_time)->what == kind::start);
    BOOST_CHECK(policy.next(start_of_time)->what == kind::start);
    BOOST_CHECK(policy.start_failed(1, start_of_time, 0) == exit_verdict::gave_up);
    BOOST_TEST(*policy.next(start_of_time) == (supervisor_action{kind::tell_exit, 0, 1}));

    obedient_world world{{}};
    world.add(1);
    world.take();
    world.end(0);
    BOOST_CHECK(world.policy.next(world.now)->what == kind::start);
    BOOST_CHECK(world.policy.start_failed(0, world.now, 0) == exit_verdict::restarting);
    BOOST_TEST((*world.policy.wake_at() > world.now));
}

BOOST_AUTO_TEST_CASE(a_late_word_of_an_earlier_incarnation_changes_nothing) {
    obedient_world world{{}};
    world.add(1);
    world.take();
    world.end(0);
    world.take();
    BOOST_CHECK(world.policy.exited(0, 1, true, world.now, 0) == exit_verdict::ignored);
    BOOST_CHECK(world.policy.exited(7, 1, true, world.now, 0) == exit_verdict::ignored);
    BOOST_TEST(world.take() == "");
}

BOOST_AUTO_TEST_CASE(simple_one_for_one_stops_all_at_once) {
    obedient_world world{{strategy::simple_one_for_one}};
    world.add(3, {restart_type::temporary, shutdown_after(5s)});
    world.take();
    world.deaf = {0, 1, 2};
    world.policy.shut_down();
    BOOST_TEST(world.take() == "-2-1-0");
    world.pass(5s);
    BOOST_TEST(world.take() == "!0!1!2.");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
