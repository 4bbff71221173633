// A worker's promises to the node and to its handlers, across broken sessions and refusals.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <set>

#include "worker_fixture.hpp"

namespace {

using namespace coppice;
using namespace coppice::client::testing;
namespace cc = coppice::client;

attempt_outcome echo(const assignment& work) { return cc::succeed(work.payload); }

// Runs until it is told to stop.
kj::Promise<attempt_outcome> obedient(const assignment&, cc::attempt_context& attempt) {
    return attempt.on_cancel().then([] { return cc::stop_as_told(); });
}
kj::Promise<attempt_outcome> stubborn(const assignment&, cc::attempt_context&) {
    return kj::Promise<attempt_outcome>(kj::NEVER_DONE);
}

using outcome = api::AttemptReport::Outcome;

} // namespace

BOOST_AUTO_TEST_SUITE(client_worker)

BOOST_FIXTURE_TEST_CASE(what_is_ready_in_one_turn_goes_out_in_one_call, worker_fixture) {
    cc::worker w(io, quick(node), slots(100), cc::ready_handler{echo});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2, 3, 4, 5});
    BOOST_REQUIRE(reported_so_many(5));
    BOOST_TEST(batches.size() == 1U);
    BOOST_TEST((reports[3].ref == attempt_ref{some_job(4), 1}));
    BOOST_TEST(reports[3].result == "payload 4");
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 5; }));
    BOOST_TEST(w.figures().unacknowledged == 0U);
}

BOOST_FIXTURE_TEST_CASE(an_outcome_without_an_answer_is_sent_again_after_the_worker_is_back, worker_fixture) {
    auto answering = node.answers.report;
    bool cut = false;
    node.answers.report = [&, answering](auto context) -> kj::Promise<void> {
        if (std::exchange(cut, true)) return answering(context);
        node.cut_connections();
        return never_answer();
    };
    cc::worker w(io, quick(node), slots(10), cc::ready_handler{echo});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2});
    BOOST_REQUIRE(reported_so_many(2));
    BOOST_TEST(node.answers.attaches == 2);
    BOOST_TEST(node.answers.presented[1].size() == 2U);
    BOOST_TEST(reports[0].result == "payload 1");
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 2; }));
}

BOOST_FIXTURE_TEST_CASE(what_the_node_does_not_keep_is_killed_and_never_reported, worker_fixture) {
    int alive = 0;
    struct count {
        int& n;
        explicit count(int& c) : n(c) { ++n; }
        ~count() { --n; }
    };
    cc::worker w(io, quick(node), slots(10), cc::promise_handler{[&](const assignment&, cc::attempt_context&) {
                     return kj::Promise<attempt_outcome>(kj::NEVER_DONE).attach(kj::heap<count>(alive));
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2, 3});
    BOOST_REQUIRE(until(io, [&] { return alive == 3; }));
    node.answers.keep = [](const auto&) { return std::vector<attempt_ref>{{some_job(2), 1}}; };
    node.cut_connections();
    BOOST_REQUIRE(attached(2));
    BOOST_REQUIRE(until(io, [&] { return alive == 1; }));
    BOOST_TEST(node.answers.presented[1].size() == 3U);
    BOOST_TEST(w.figures().running == 1U);
    BOOST_TEST(reports.empty());
}

BOOST_FIXTURE_TEST_CASE(an_outcome_refused_for_now_is_sent_again_and_a_stale_one_is_not, worker_fixture) {
    answers = {{errc::storage_full, "later"}, {errc::stale_attempt, "gone"}, {errc::ok, {}}};
    cc::worker w(io, quick(node), slots(10), cc::ready_handler{echo});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2, 3});
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 2; }));
    BOOST_TEST(reports.size() == 4U);
    BOOST_TEST((reports[3].ref.job == some_job(1)));
    BOOST_TEST(w.figures().stale == 1U);
    BOOST_TEST(w.figures().unacknowledged == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_result_that_is_refused_for_good_becomes_a_failure, worker_fixture) {
    answers = {{errc::result_too_large, "too large"}};
    cc::worker w(io, quick(node), slots(10), cc::ready_handler{echo});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    BOOST_REQUIRE(reported_so_many(2));
    BOOST_TEST((reports[1].outcome == outcome::FAILED));
    BOOST_TEST((reports[1].code == errc::result_too_large));
}

BOOST_FIXTURE_TEST_CASE(a_handler_that_throws_fails_its_attempt_alone, worker_fixture) {
    cc::worker w(io, quick(node), slots(10), cc::ready_handler{[](const assignment& work) {
                     if (work.ref.job == some_job(1)) throw std::runtime_error("boom");
                     return echo(work);
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2});
    BOOST_REQUIRE(reported_so_many(2));
    BOOST_TEST((reports[0].outcome == outcome::FAILED));
    BOOST_TEST((reports[0].code == errc::job_failed));
    BOOST_TEST((reports[1].outcome == outcome::SUCCEEDED));
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_attempt_may_end_by_itself_and_is_ended_after_its_grace, worker_fixture) {
    cc::worker w(io, quick(node), slots(10),
                 cc::promise_handler{[](const assignment& work, cc::attempt_context& a) {
                     return work.ref.job == some_job(1) ? obedient(work, a) : stubborn(work, a);
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2});
    tell(node.answers.worker.cancelRequest(), 1);
    BOOST_REQUIRE(reported_so_many(1));
    BOOST_TEST((reports[0].ref.job == some_job(1)));
    tell(node.answers.worker.cancelRequest(), 2);
    BOOST_REQUIRE(reported_so_many(2));
    for (const auto& r : reports) BOOST_TEST((r.outcome == outcome::CANCELLED));
}

BOOST_FIXTURE_TEST_CASE(a_revoked_attempt_is_not_heard_of_again, worker_fixture) {
    cc::worker w(io, quick(node), slots(10), cc::promise_handler{obedient});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2});
    tell(node.answers.worker.revokeRequest(), 1);
    tell(node.answers.worker.cancelRequest(), 1);
    tell(node.answers.worker.cancelRequest(), 2);
    BOOST_REQUIRE(reported_so_many(1));
    BOOST_TEST((reports[0].ref.job == some_job(2)));
    BOOST_TEST(w.figures().running == 0U);
    BOOST_TEST(w.figures().stale == 1U);
}

BOOST_FIXTURE_TEST_CASE(progress_and_lines_arrive_before_or_with_the_outcome_and_in_order, worker_fixture) {
    cc::worker w(io, quick(node), slots(10),
                 cc::promise_handler{[](const assignment&, cc::attempt_context& attempt) {
                     attempt.log("first\nsecond\n");
                     attempt.progress(0.25, "a quarter");
                     auto& timer = attempt.io().provider->getTimer();
                     return timer.afterDelay(120 * kj::MILLISECONDS).then([&attempt] {
                         attempt.log("third");
                         return cc::succeed("r");
                     });
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 1; }));
    BOOST_REQUIRE(reports.size() == 2U);
    BOOST_TEST((reports[0].outcome == outcome::NONE));
    BOOST_TEST(reports[0].progress == 0.25F);
    BOOST_REQUIRE(reports[0].lines.size() == 2U);
    BOOST_TEST(reports[0].lines[1].second == "second");
    BOOST_REQUIRE(reports[1].lines.size() == 1U);
    BOOST_TEST(reports[1].lines[0].first == 2U);
    BOOST_TEST((reports[1].outcome == outcome::SUCCEEDED));
}

BOOST_FIXTURE_TEST_CASE(the_last_checkpoint_arrives_while_the_attempt_runs_or_with_its_outcome, worker_fixture) {
    cc::worker w(io, quick(node), slots(10),
                 cc::promise_handler{[](const assignment&, cc::attempt_context& attempt) {
                     attempt.checkpoint("one");
                     attempt.checkpoint("two");
                     auto& timer = attempt.io().provider->getTimer();
                     return timer.afterDelay(120 * kj::MILLISECONDS).then([&attempt] {
                         attempt.checkpoint("three");
                         return cc::fail_attempt("not done");
                     });
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 1; }));
    BOOST_REQUIRE(reports.size() == 2U);
    BOOST_TEST(reports[0].checkpoint == "two");
    BOOST_TEST((reports[1].outcome == outcome::FAILED));
    BOOST_TEST(reports[1].checkpoint == "three");
}

BOOST_FIXTURE_TEST_CASE(attempts_with_a_heartbeat_timeout_are_named_in_time, worker_fixture) {
    std::set<attempt_ref> named;
    node.answers.heartbeat = [&](const auto& beats) { named.insert(beats.begin(), beats.end()); };
    cc::worker w(io, quick(node), slots(10), cc::promise_handler{stubborn});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1}, 90);
    assign({2}, 0);
    BOOST_REQUIRE(until(io, [&] { return !named.empty(); }));
    BOOST_TEST((named == std::set<attempt_ref>{{some_job(1), 1}}));
}

BOOST_FIXTURE_TEST_CASE(a_worker_that_the_node_cannot_hear_kills_what_it_runs, worker_fixture) {
    node.answers.silence_max_ms = 150;
    cc::worker w(io, quick(node), slots(10), cc::promise_handler{stubborn});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2});
    BOOST_TEST(w.figures().running == 2U);
    node.stop();
    BOOST_REQUIRE(until(io, [&] { return w.figures().running == 0; }));
    node.start();
    BOOST_REQUIRE(attached(2));
    BOOST_TEST(node.answers.presented[1].empty());
}

BOOST_FIXTURE_TEST_CASE(a_drained_worker_ends_when_all_is_acknowledged, worker_fixture) {
    cc::worker w(io, quick(node), slots(10),
                 cc::promise_handler{[](const assignment&, cc::attempt_context& attempt) {
                     return attempt.io().provider->getTimer().afterDelay(30 * kj::MILLISECONDS).then([] {
                         return cc::succeed();
                     });
                 }});
    auto running = w.run();
    BOOST_TEST(!running.poll(io.waitScope));
    BOOST_REQUIRE(until(io, [&] { return running.poll(io.waitScope) || node.answers.attaches == 1; }));
    assign({1});
    auto drained = w.drain();
    assign({2});
    BOOST_TEST(running.wait(io.waitScope).has_value());
    drained.wait(io.waitScope);
    BOOST_TEST(node.answers.drains == 1);
    BOOST_REQUIRE(reports.size() == 2U);
    BOOST_TEST((reports[0].outcome == outcome::LOST));
    BOOST_TEST((reports[0].ref.job == some_job(2)));
    BOOST_TEST((reports[1].outcome == outcome::SUCCEEDED));
}

BOOST_FIXTURE_TEST_CASE(a_stopped_worker_gives_back_what_it_runs_and_cancels_nothing, worker_fixture) {
    cc::worker w(io, quick(node), slots(10),
                 cc::promise_handler{[](const assignment& work, cc::attempt_context& a) {
                     return work.ref.job == some_job(1) ? obedient(work, a) : stubborn(work, a);
                 }});
    auto running = w.run();
    BOOST_REQUIRE(until(io, [&] { return running.poll(io.waitScope) || node.answers.attaches == 1; }));
    assign({1, 2});
    auto stopped = w.stop(milliseconds{30});
    BOOST_TEST(running.wait(io.waitScope).has_value());
    BOOST_REQUIRE(reports.size() == 2U);
    for (const auto& r : reports) BOOST_TEST((r.outcome == outcome::LOST));
}

BOOST_FIXTURE_TEST_CASE(blocking_handlers_run_beside_each_other_and_hear_of_a_cancel, worker_fixture) {
    std::atomic<int> together{0};
    cc::worker w(io, quick(node), slots(2),
                 cc::blocking_handler{[&](const assignment& work, cc::blocking_context& a) {
                     ++together;
                     a.log("started");
                     while (together < 2) a.wait_cancelled(milliseconds{1});
                     if (work.ref.job == some_job(2)) return cc::succeed("done");
                     return a.wait_cancelled(milliseconds{5000}) ? cc::stop_as_told() : cc::succeed("not told");
                 }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1, 2}, 0, 5000);
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 1; }));
    tell(node.answers.worker.cancelRequest(), 1);
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 2; }));
    BOOST_TEST((reports.back().outcome == outcome::CANCELLED));
    BOOST_TEST((reports.back().ref.job == some_job(1)));
}

BOOST_FIXTURE_TEST_CASE(a_worker_whose_token_is_refused_ends_with_the_reason, worker_fixture) {
    node.answers.login = [](std::string) { return failure{errc::unauthenticated, "no"}; };
    cc::worker w(io, quick(node), slots(1), cc::ready_handler{echo});
    BOOST_TEST((w.run().wait(io.waitScope).error().code == errc::unauthenticated));
}

BOOST_FIXTURE_TEST_CASE(a_session_that_the_node_ended_is_attached_again_on_the_same_connection, worker_fixture) {
    auto answering = node.answers.report;
    bool ended = false;
    node.answers.report = [&, answering](auto context) -> kj::Promise<void> {
        if (std::exchange(ended, true)) return answering(context);
        cc::write(context.getResults().initFailure(), failure{errc::stale_attempt, "the session is over"});
        return kj::READY_NOW;
    };
    cc::worker w(io, quick(node), slots(10), cc::ready_handler{echo});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    BOOST_REQUIRE(until(io, [&] { return w.figures().acknowledged == 1; }));
    BOOST_TEST(node.answers.attaches == 2);
    BOOST_TEST(node.answers.logins == 1);
}

BOOST_AUTO_TEST_SUITE_END()
