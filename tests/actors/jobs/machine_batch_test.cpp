// A graph's callback: it starts when all the others have ended, and not before.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct batch_world : world {
    batch_world() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 100);
    }
    // Jobs that depend on nothing, and the callback.
    std::vector<job_id> submit_batch(std::size_t members) {
        graph_op g{.jobs = {}, .has_callback = true};
        std::vector<job_id> ids;
        for (std::size_t i = 0; i <= members; ++i) g.jobs.push_back(spec());
        for (const submit_op& s : g.jobs) ids.push_back(s.job);
        BOOST_REQUIRE((one(g).code == errc::ok));
        return ids;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_batch, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(the_callback_starts_when_the_last_of_the_others_has_ended_however_it_did) {
    batch_world w;
    const auto ids = w.submit_batch(3);
    BOOST_TEST((w.job(ids[3]).state == job_state::BLOCKED));
    w.report(ids[0], outcome::SUCCEEDED);
    w.report(ids[1], outcome::FAILED, {.permanent = true});
    BOOST_TEST((w.job(ids[3]).state == job_state::BLOCKED));
    w.report(ids[2], outcome::LOST); // goes on elsewhere: it has not ended
    BOOST_TEST((w.job(ids[3]).state == job_state::BLOCKED));
    w.one(cancel_op{ids[2], "enough"});
    BOOST_TEST((w.job(ids[3]).state == job_state::BLOCKED)); // told to stop is not stopped
    w.report(ids[2], outcome::CANCELLED);
    BOOST_TEST((w.job(ids[3]).state == job_state::RUNNING));
    BOOST_TEST(w.rows(table::batches) == 0U);
}

BOOST_AUTO_TEST_CASE(what_ends_by_its_parents_failure_is_counted_and_so_is_what_ends_at_once) {
    batch_world w;
    const job_id bad = w.submit();
    w.report(bad, outcome::FAILED, {.permanent = true});
    const submit_op parent = w.spec(), child = w.spec({parent.job}), hopeless = w.spec({bad}), callback = w.spec();
    w.one(graph_op{{parent, child, hopeless, callback}, true});
    BOOST_TEST((w.job(hopeless.job).state == job_state::CANCELLED));
    BOOST_TEST((w.job(callback.job).state == job_state::BLOCKED));
    w.report(parent.job, outcome::FAILED, {.permanent = true});
    BOOST_TEST((w.job(child.job).state == job_state::CANCELLED));
    BOOST_TEST((w.job(callback.job).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_new_machine_over_the_same_rows_counts_on) {
    batch_world w;
    const auto ids = w.submit_batch(2);
    w.report(ids[0], outcome::SUCCEEDED);
    w.reload();
    w.report(ids[1], outcome::LOST); // its worker is gone
    w.attach(worker_id{2}, {"build"}, 1);
    w.plan();
    w.report(ids[1], outcome::SUCCEEDED);
    BOOST_TEST((w.job(ids[2]).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_callback_that_was_cancelled_is_not_started) {
    batch_world w;
    const auto ids = w.submit_batch(1);
    w.one(cancel_op{ids[1], "not needed"});
    BOOST_TEST(w.rows(table::batches) == 0U);
    w.report(ids[0], outcome::SUCCEEDED);
    BOOST_TEST((w.job(ids[1]).state == job_state::CANCELLED));
}

BOOST_AUTO_TEST_CASE(a_callback_with_a_delay_waits_for_that_too) {
    batch_world w;
    submit_op member = w.spec(), callback = w.spec();
    callback.not_before_us = to_us(w.now() + std::chrono::minutes{1});
    w.one(graph_op{{member, callback}, true});
    w.report(member.job, outcome::SUCCEEDED);
    BOOST_TEST((w.job(callback.job).state == job_state::SCHEDULED));
    w.pass(std::chrono::minutes{1});
    w.tick();
    BOOST_TEST((w.job(callback.job).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_callback_without_others_or_with_parents_is_refused) {
    batch_world w;
    BOOST_TEST((w.one(graph_op{{w.spec()}, true}).code == errc::invalid_argument));
    const submit_op member = w.spec();
    BOOST_TEST((w.one(graph_op{{member, w.spec({member.job})}, true}).code == errc::invalid_argument));
    BOOST_TEST(w.rows(table::jobs) == 0U);
}

BOOST_AUTO_TEST_CASE(ten_thousand_jobs_end_in_any_order_and_the_callback_starts_once) {
    batch_world w;
    w.attach(worker_id{1}, {"build"}, 10'000);
    auto ids = w.submit_batch(9'999);
    while (w.job(ids[9'998]).state == job_state::QUEUED) w.plan();
    std::shuffle(ids.begin(), ids.end() - 1, std::mt19937_64{seed_or(7)});
    std::vector<op> ends;
    const auto callback_starts = [&] {
        return std::ranges::count(w.out().starts, ids.back(), [](const start_effect& s) { return s.work.ref.job; });
    };
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        ends.push_back(report_op{.job = ids[i]});
        if (ends.size() < 400 && i + 2 < ids.size()) continue;
        w.run(ends);
        ends.clear();
        BOOST_TEST_REQUIRE(callback_starts() == (i + 2 < ids.size() ? 0 : 1));
    }
    BOOST_TEST((w.job(ids.back()).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
