// Time: delays, timeouts, ticks, and a clock that does not behave.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

constexpr std::chrono::seconds second{1};

// Type 1 with these timeouts.
void declare(world& w, timeouts_spec timeouts) {
    w.declare_usual();
    job_type_spec spec;
    spec.name = "build";
    spec.retry = {milliseconds{0}, milliseconds{0}};
    spec.timeouts = timeouts;
    w.run({type_op{.version = 2, .spec = spec}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(timers)

BOOST_AUTO_TEST_CASE(a_delayed_job_is_queued_when_its_time_comes_and_not_before) {
    world w;
    w.declare_usual();
    const job_id id = w.submit({.not_before_us = to_us(w.now() + 10 * second)});
    BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
    BOOST_TEST((w.machine().next_due(*w.data().begin_read()) == w.now() + 10 * second));
    w.pass(10 * second - microseconds{1});
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
    w.pass(microseconds{1});
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::QUEUED));
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()).has_value());
}

BOOST_AUTO_TEST_CASE(no_delay_is_longer_than_the_bound_and_one_in_the_past_is_none) {
    world w;
    w.declare_usual();
    const job_id far = w.submit({.not_before_us = std::numeric_limits<std::int64_t>::max()});
    BOOST_TEST(w.job(far).due_us == to_us(w.now() + limits::delay_max));
    BOOST_TEST(
        (w.job(w.submit({.not_before_us = std::numeric_limits<std::int64_t>::min()})).state == job_state::QUEUED));
    BOOST_TEST((w.job(w.submit({.not_before_us = to_us(w.now())})).state == job_state::QUEUED));
}

BOOST_AUTO_TEST_CASE(a_job_that_waits_in_the_queue_too_long_fails) {
    world w;
    declare(w, {.queued = 5 * second});
    const job_id id = w.submit({.version = 2});
    w.pass(5 * second);
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::FAILED));
    BOOST_TEST((w.job(id).code == errc::timeout_queued));
    BOOST_TEST((w.evidence().back().code == errc::timeout_queued));
    BOOST_TEST(w.rows(table::queue) == 0U);
}

BOOST_AUTO_TEST_CASE(the_queue_timeout_ends_with_the_start_and_begins_anew_with_a_retry) {
    world w;
    declare(w, {.queued = 5 * second});
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit({.version = 2});
    BOOST_TEST(w.rows(table::timers) == 0U);
    w.pass(60 * second);
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
    w.machine().drain_worker(worker_id{1});
    w.report(id, outcome::FAILED);
    BOOST_TEST((w.job(id).state == job_state::QUEUED));
    w.pass(5 * second - microseconds{1});
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::QUEUED));
    w.pass(microseconds{1});
    w.tick();
    BOOST_TEST((w.job(id).code == errc::timeout_queued));
}

BOOST_AUTO_TEST_CASE(a_job_that_takes_too_long_in_all_fails_wherever_it_stands) {
    world w;
    declare(w, {.job = 5 * second});
    const job_id queued = w.submit({.version = 2});
    const job_id scheduled = w.submit({.version = 2, .not_before_us = to_us(w.now() + 60 * second)});
    const job_id blocked = w.submit({.version = 2, .after = {scheduled}});
    w.pass(5 * second);
    w.tick();
    for (const job_id& id : {queued, scheduled, blocked}) {
        BOOST_TEST((w.job(id).state == job_state::FAILED));
        BOOST_TEST((w.job(id).code == errc::timeout_job));
    }
    BOOST_TEST(w.rows(table::timers) == 0U);
}

BOOST_AUTO_TEST_CASE(a_job_timeout_takes_a_running_attempt_away) {
    world w;
    declare(w, {.job = 5 * second});
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit({.version = 2});
    w.pass(5 * second);
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::FAILED));
    BOOST_REQUIRE(w.out().ends.size() == 1U);
    const end_effect& end = w.out().ends[0];
    BOOST_TEST((end.ref == attempt_ref{id, 1}));
    BOOST_TEST((end.worker == worker_id{1}));
    BOOST_TEST(end.revoke);
    BOOST_TEST((end.code == errc::timeout_job));
    BOOST_TEST(w.job(id).history == 1U);
    BOOST_TEST(w.machine().pool().has_free());
    BOOST_TEST((w.one(report_op{.job = id, .attempt = 1}).code == errc::stale_attempt));
}

BOOST_AUTO_TEST_CASE(a_job_that_ended_in_time_leaves_no_timer) {
    world w;
    declare(w, {.queued = 5 * second, .job = 50 * second});
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit({.version = 2});
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST(w.rows(table::timers) == 0U);
}

BOOST_AUTO_TEST_CASE(one_tick_fires_no_more_timers_than_it_may_the_earliest_first) {
    world w;
    w.declare_usual();
    std::vector<job_id> ids;
    for (int i = 0; i < 10; ++i) ids.push_back(w.submit({.not_before_us = to_us(w.now() + (10 - i) * second)}));
    w.pass(10 * second);
    w.tick(3);
    for (std::size_t i = 0; i < 10; ++i)
        BOOST_TEST((w.job(ids[i]).state == (i >= 7 ? job_state::QUEUED : job_state::SCHEDULED)));
    w.tick(100);
    BOOST_TEST(w.rows(table::timers) == 0U);
}

BOOST_AUTO_TEST_CASE(a_clock_that_steps_back_a_little_reorders_nothing) {
    world w;
    w.declare_usual();
    const job_id first = w.submit();
    w.pass(-30 * second);
    const job_id second_one = w.submit();
    BOOST_TEST(w.job(second_one).ready_us == w.job(first).ready_us);
    w.attach(worker_id{1}, {"build"}, 1);
    w.plan();
    BOOST_TEST((w.job(first).state == job_state::RUNNING));
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST(w.job(first).finished_us >= w.job(first).started_us);
}

// Once, far ahead, and back again: held for ever, no timer would fire until the clock got there.
BOOST_AUTO_TEST_CASE(one_wrong_reading_far_ahead_does_not_stop_time) {
    world w;
    w.declare_usual();
    const instant right = w.now();
    w.set_clock(right + std::chrono::hours{24 * 365});
    w.submit();
    w.set_clock(right + second);
    const job_id id = w.submit({.not_before_us = to_us(right + 5 * second)});
    BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
    w.pass(5 * second);
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::QUEUED));
}

BOOST_AUTO_TEST_CASE(no_declared_duration_overflows_time) {
    world w;
    const milliseconds huge{std::numeric_limits<std::int64_t>::max()};
    w.declare_usual();
    job_type_spec spec;
    spec.name = "build";
    spec.retry = {huge, huge};
    spec.timeouts = {.queued = huge, .attempt = huge, .job = huge, .heartbeat = huge, .cancel_grace = huge};
    w.run({type_op{.version = 2, .spec = spec}});
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit({.version = 2});
    w.report(id, outcome::FAILED);
    BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
    BOOST_TEST(w.job(id).due_us > to_us(w.now()));
    BOOST_TEST(w.job(id).due_us <= to_us(w.now() + limits::duration_max));
}

BOOST_AUTO_TEST_CASE(pruning_keeps_the_newest_event_and_the_sequence_goes_on) {
    world w;
    w.declare_usual();
    for (int i = 0; i < 5; ++i) w.one(cancel_op{w.submit(), ""});
    BOOST_TEST(w.out().newest_event == 5U);
    w.run({prune_op{3, 1000}});
    BOOST_TEST(w.rows(table::events) == 3U);
    BOOST_TEST(w.machine().events() == 3U);
    w.reload();
    BOOST_TEST(w.machine().events() == 3U);
    w.run({prune_op{1000, 1}});
    BOOST_TEST(w.rows(table::events) == 2U);
    w.run({prune_op{1000, 1000}});
    BOOST_TEST(w.rows(table::events) == 1U);
    w.reload();
    w.one(cancel_op{w.submit(), ""});
    BOOST_TEST(w.out().newest_event == 6U);
    BOOST_TEST(w.rows(table::evidence) == 6U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
