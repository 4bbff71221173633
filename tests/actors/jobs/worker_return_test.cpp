// A worker that goes away: its attempts wait a grace for it, and are run elsewhere after that.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id gone{1};
constexpr worker_id back{2};
constexpr worker_id other{3};
constexpr milliseconds grace = limits::worker_reconnect_grace;

using refs = std::vector<attempt_ref>;

job_type_spec plain_type() {
    job_type_spec spec;
    spec.name = "plain";
    spec.retry = {0ms, 0ms};
    return spec;
}

} // namespace

BOOST_AUTO_TEST_SUITE(worker_return)

BOOST_AUTO_TEST_CASE(a_worker_that_comes_back_within_the_grace_keeps_its_attempts) {
    virtual_shard node{{plain_type()}};
    node.attach(gone, 2);
    node.attach(other, 0);
    const refs running{{node.submit(), 1}, {node.submit(), 1}};
    node.hang_up(gone, grace);
    node.pass(grace - instant_before);
    const auto kept = node.attach(back, 2, running);
    for (const command_result& r : kept->results) BOOST_TEST((r.code == errc::ok));
    node.pass(60s);
    BOOST_TEST(node.told(back).assigned.empty());
    BOOST_TEST(node.told(back).revoked.empty());
    const auto of_old = node.report(gone, running[0], outcome::SUCCEEDED);
    const auto of_new = node.report(back, running[0], outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST((of_old->code() == errc::stale_attempt));
    BOOST_TEST((of_new->code() == errc::ok));
    node.cancel(running[1].job); // goes to who runs it now
    BOOST_TEST((node.told(back).cancelled == refs{running[1]}));
    BOOST_TEST(node.told(gone).cancelled.empty());
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(after_the_grace_its_attempts_are_lost_and_run_elsewhere_once_each) {
    virtual_shard node{{plain_type()}};
    node.attach(gone, 2);
    const refs running{{node.submit(), 1}, {node.submit(), 1}};
    node.hang_up(gone, grace);
    node.settle();
    node.attach(other, 2);
    node.pass(grace - instant_before);
    BOOST_TEST(node.told(other).assigned.empty());
    BOOST_TEST(node.machine->pool().held(gone) == 2U);
    node.pass(instant_before);
    BOOST_TEST((node.told(other).assigned == refs{{running[0].job, 2}, {running[1].job, 2}}));
    BOOST_TEST((node.job(running[0].job).code == errc::worker_lost));
    BOOST_TEST(node.machine->pool().held(gone) == 0U);
    const auto late = node.attach(back, 2, running);
    for (const command_result& r : late->results) BOOST_TEST((r.code == errc::stale_attempt));
    for (const attempt_ref& ref : running) {
        const auto of_old = node.report(gone, ref, outcome::SUCCEEDED);
        const auto of_new = node.report(other, {ref.job, 2}, outcome::SUCCEEDED);
        node.settle();
        BOOST_TEST((of_old->code() == errc::stale_attempt));
        BOOST_TEST((of_new->code() == errc::ok));
    }
    BOOST_TEST(node.rows(table::events) == 2U);
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(what_a_returning_worker_does_not_present_is_lost_when_its_old_session_expires) {
    virtual_shard node{{plain_type()}};
    node.attach(gone, 2);
    const refs running{{node.submit(), 1}, {node.submit(), 1}};
    node.hang_up(gone, grace);
    node.attach(back, 2, {running[0]});
    node.pass(grace);
    BOOST_TEST(node.job(running[0].job).attempt == 1U);
    BOOST_TEST((node.told(back).assigned == refs{{running[1].job, 2}}));
    BOOST_TEST(node.told(back).revoked.empty());
    node.require_sound();
}

// A return that races the end of the grace, in an order drawn at random: whoever is told that it keeps an attempt
// keeps it, and whoever is not finds it running elsewhere.
BOOST_AUTO_TEST_CASE(a_return_that_races_the_end_of_the_grace_keeps_what_it_was_told_it_keeps) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    std::size_t kept = 0, lost = 0;
    virtual_shard node{{plain_type()}};
    for (std::uint64_t round = 1; round <= 1000; ++round) {
        const worker_id before{round * 2};
        const worker_id after{round * 2 + 1};
        node.attach(before, 1);
        const attempt_ref ref{node.submit(), 1};
        node.hang_up(before, grace);
        node.attach(after, 0);
        const auto adopt = [&] { return node.propose({adopt_op{ref.job, ref.attempt, after}}); };
        const auto expire = [&] { node.scheduler.advance_time(grace); };
        const bool adopt_first = random() % 2 == 0;
        heard_ptr answer;
        if (adopt_first) answer = adopt();
        if (!adopt_first) expire();
        for (auto steps = random() % 6; steps > 0; --steps) node.step(random);
        if (adopt_first) expire();
        if (!adopt_first) answer = adopt();
        node.drain(random);
        node.pass(0ms);
        const bool keeps = answer->code() == errc::ok;
        BOOST_TEST_CONTEXT("seed " << seed << ", round " << round << (keeps ? ", kept" : ", lost")) {
            BOOST_REQUIRE(keeps || answer->code() == errc::stale_attempt);
            BOOST_REQUIRE((node.job(ref.job).state == (keeps ? job_state::RUNNING : job_state::QUEUED)));
            BOOST_REQUIRE_EQUAL(node.told(after).revoked.size(), 0U);
            if (keeps) BOOST_REQUIRE((node.report(after, ref, outcome::SUCCEEDED), node.settle(), true));
        }
        if (!keeps) BOOST_REQUIRE((node.cancel(ref.job) == errc::ok));
        ++(keeps ? kept : lost);
        node.hang_up(after, 0ms);
        node.pass(0ms);
        BOOST_REQUIRE(is_terminal(node.job(ref.job).state));
        BOOST_REQUIRE_EQUAL(node.rows(table::running), 0U);
    }
    node.require_sound();
    BOOST_TEST(kept > 100U);
    BOOST_TEST(lost > 100U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
