// The deadlines of a running attempt, kept by the real actors on virtual time.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id left{1};

// Silent for 10 s or under way for 60 s: taken away; tried again at once.
job_type_spec beating() {
    job_type_spec spec;
    spec.name = "beating";
    spec.retry = {0ms, 0ms};
    spec.timeouts = {.attempt = 60s, .heartbeat = 10s, .cancel_grace = 5s};
    return spec;
}

} // namespace

BOOST_AUTO_TEST_SUITE(attempt_deadlines)

BOOST_AUTO_TEST_CASE(an_attempt_whose_heartbeat_is_overdue_is_taken_away_and_the_job_runs_again) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    BOOST_TEST((node.told(left).assigned == std::vector{attempt_ref{id, 1}}));
    node.pass(10s - instant_before);
    BOOST_TEST(node.told(left).revoked.empty());
    BOOST_TEST(node.job(id).attempt == 1U);
    node.pass(instant_before);
    BOOST_TEST((node.told(left).revoked == std::vector{attempt_ref{id, 1}}));
    BOOST_TEST((node.told(left).assigned == std::vector{attempt_ref{id, 1}, attempt_ref{id, 2}}));
    const job_view job = node.job(id);
    BOOST_TEST((job.state == job_state::RUNNING));
    BOOST_TEST((job.code == errc::timeout_heartbeat));
    BOOST_TEST(job.tries == 1U);
    const auto late = node.report(left, {id, 1}, outcome::SUCCEEDED);
    const auto right_one = node.report(left, {id, 2}, outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST((late->code() == errc::stale_attempt));
    BOOST_TEST((right_one->code() == errc::ok));
    BOOST_TEST((node.job(id).state == job_state::SUCCEEDED));
    BOOST_TEST(node.job_row(id).path.empty());
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_heartbeat_in_time_keeps_the_attempt_and_counts_from_when_it_came) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    for (int i = 0; i < 4; ++i) {
        node.pass(9s);
        node.heartbeat({id, 1});
    }
    BOOST_TEST(node.job(id).attempt == 1U);
    BOOST_TEST(node.told(left).revoked.empty());
    node.pass(10s - instant_before);
    BOOST_TEST(node.job(id).attempt == 1U);
    node.pass(instant_before);
    BOOST_TEST(node.job(id).attempt == 2U);
    BOOST_TEST((node.told(left).revoked == std::vector{attempt_ref{id, 1}}));
}

BOOST_AUTO_TEST_CASE(a_heartbeat_of_a_former_attempt_keeps_nothing) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    node.pass(10s);
    BOOST_REQUIRE(node.job(id).attempt == 2U);
    node.pass(9s);
    node.heartbeat({id, 1});
    node.pass(1s);
    BOOST_TEST(node.job(id).attempt == 3U);
}

BOOST_AUTO_TEST_CASE(no_heartbeat_carries_an_attempt_over_its_own_timeout) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    for (int i = 0; i < 11; ++i) {
        node.pass(5s);
        node.heartbeat({id, 1});
    }
    node.pass(5s - instant_before);
    BOOST_TEST(node.job(id).attempt == 1U);
    node.pass(instant_before);
    BOOST_TEST((node.job(id).code == errc::timeout_attempt));
    BOOST_TEST((node.told(left).revoked == std::vector{attempt_ref{id, 1}}));
    BOOST_TEST((node.told(left).assigned.back() == attempt_ref{id, 2}));
}

BOOST_AUTO_TEST_CASE(a_job_whose_attempts_all_fall_silent_ends_as_a_dead_letter) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    node.pass(30s);
    const job_view job = node.job(id);
    BOOST_TEST((job.state == job_state::FAILED));
    BOOST_TEST((job.code == errc::timeout_heartbeat));
    BOOST_TEST(job.attempt == 3U);
    BOOST_TEST(job.history == 3U);
    BOOST_TEST(node.told(left).revoked.size() == 3U);
    BOOST_TEST(node.rows(table::events) == 1U);
    node.require_sound();
}

// The executor kills at the end of the grace and says so; this one does not.
BOOST_AUTO_TEST_CASE(an_executor_that_ignores_a_cancel_loses_the_attempt_after_the_grace) {
    virtual_shard node{{beating()}};
    node.attach(left, 1);
    const job_id id = node.submit();
    BOOST_TEST((node.cancel(id) == errc::ok));
    BOOST_TEST((node.told(left).cancelled == std::vector{attempt_ref{id, 1}}));
    BOOST_TEST((node.job(id).state == job_state::RUNNING));
    node.pass(5s);
    BOOST_TEST(node.told(left).revoked.empty());
    node.pass(1s);
    BOOST_TEST((node.told(left).revoked == std::vector{attempt_ref{id, 1}}));
    BOOST_TEST((node.job(id).state == job_state::CANCELLED));
    BOOST_TEST(node.told(left).assigned.size() == 1U);
    node.require_sound();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
