// A client that knows several nodes: with which it begins, when it goes on to the next, and when it does not.
#include <set>

#include "runtime/client/link.hpp"
#include "worker_fixture.hpp"

namespace {

using namespace coppice;
using namespace coppice::client::testing;
namespace cc = coppice::client;

struct fixture : worker_fixture {
    scripted_node second{io}, third{io};

    // In this order, begun with the first.
    cc::options all() const {
        cc::options o = quick(node);
        o.server = node.address() + ", " + second.address() + "," + third.address();
        o.order = cc::server_order::as_listed;
        return o;
    }
    static auto answers(std::uint64_t revision) {
        return [revision](auto context) -> kj::Promise<void> {
            context.getResults().initJob().setRevision(revision);
            return kj::READY_NOW;
        };
    }
    static auto is_unavailable(int& asked) {
        return [&asked](auto context) -> kj::Promise<void> {
            ++asked;
            cc::write(context.getResults().initFailure(), failure{errc::unavailable, "no primary"});
            return kj::READY_NOW;
        };
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(client_of_several_nodes)

BOOST_FIXTURE_TEST_CASE(a_dead_first_node_is_passed_over_without_a_pause, fixture) {
    node.stop();
    second.answers.get = answers(2);
    auto o = all();
    o.retry_for = milliseconds{0}; // one round is one attempt
    cc::client c(io, o);
    BOOST_TEST(c.get(some_job(1)).wait(io.waitScope).value().revision == 2U);
    BOOST_TEST(third.answers.logins == 0);
}

BOOST_FIXTURE_TEST_CASE(a_read_whose_node_is_lost_is_made_again_at_the_next, fixture) {
    node.answers.get = [&](auto) -> kj::Promise<void> {
        node.stop();
        return never_answer();
    };
    second.answers.get = answers(2);
    cc::client c(io, all());
    BOOST_TEST(c.get(some_job(1)).wait(io.waitScope).value().revision == 2U);
    BOOST_TEST(node.answers.logins == 1);
}

BOOST_FIXTURE_TEST_CASE(a_submit_that_was_under_way_is_not_made_again_at_another_node, fixture) {
    node.answers.submit = [&](auto) -> kj::Promise<void> {
        node.stop();
        return never_answer();
    };
    cc::client c(io, all());
    const auto answer = c.submit(cc::job_spec{.type = "t"}).wait(io.waitScope);
    BOOST_TEST((answer.error().code == errc::unknown_outcome));
    BOOST_TEST(answer.error().detail.find(node.address()) != std::string::npos);
    second.answers.get = answers(2);
    BOOST_TEST(c.get(some_job(1)).wait(io.waitScope).value().revision == 2U);
}

BOOST_FIXTURE_TEST_CASE(the_list_goes_round, fixture) {
    node.answers.get = answers(1);
    third.answers.get = [&](auto) -> kj::Promise<void> {
        third.stop();
        return never_answer();
    };
    node.stop();
    second.stop();
    cc::client c(io, all());
    auto pending = c.get(some_job(1));
    BOOST_REQUIRE(until(io, [&] {
        (void)pending.poll(io.waitScope);
        return third.answers.logins == 1;
    }));
    node.start();
    BOOST_TEST(pending.wait(io.waitScope).value().revision == 1U);
}

BOOST_FIXTURE_TEST_CASE(when_all_are_dead_it_is_unavailable, fixture) {
    for (scripted_node* each : {&node, &second, &third}) each->stop();
    auto o = all();
    o.retry_for = milliseconds{50};
    cc::client c(io, o);
    const auto job = c.get(some_job(1)).wait(io.waitScope);
    BOOST_TEST((job.error().code == errc::unavailable));
    BOOST_TEST(job.error().detail.find("none of 3 nodes") != std::string::npos, job.error().detail);
}

BOOST_FIXTURE_TEST_CASE(a_refused_token_is_shown_to_no_other_node, fixture) {
    node.answers.login = [](std::string) { return failure{errc::unauthenticated, "bad signature"}; };
    cc::client c(io, all());
    BOOST_TEST((c.login().wait(io.waitScope).error().code == errc::unauthenticated));
    BOOST_TEST(node.answers.logins == 1);
    BOOST_TEST(second.answers.logins + third.answers.logins == 0);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_lets_nobody_in_for_now_is_passed_over, fixture) {
    node.answers.login = [](std::string) { return failure{errc::unavailable, "starting"}; };
    second.answers.get = answers(2);
    cc::client c(io, all());
    BOOST_TEST(c.get(some_job(1)).wait(io.waitScope).value().revision == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_stays_unavailable_is_left_for_the_next, fixture) {
    int asked = 0;
    node.answers.get = is_unavailable(asked);
    second.answers.get = answers(2);
    auto o = all();
    o.unavailable_patience = milliseconds{30};
    cc::client c(io, o);
    BOOST_TEST(c.get(some_job(1)).wait(io.waitScope).value().revision == 2U);
    BOOST_TEST(asked > 1); // it was given its time
}

BOOST_FIXTURE_TEST_CASE(a_submit_is_told_that_the_node_is_unavailable_and_the_next_goes_to_another, fixture) {
    int asked = 0;
    node.answers.submit = [&](auto context) -> kj::Promise<void> {
        ++asked;
        cc::write(context.getResults().initResults(1)[0].initFailure(), failure{errc::unavailable, "no primary"});
        return kj::READY_NOW;
    };
    second.answers.submit = [](auto context) -> kj::Promise<void> {
        cc::write(context.getResults().initResults(1)[0].initId(), some_job(7));
        return kj::READY_NOW;
    };
    auto o = all();
    o.unavailable_patience = milliseconds{0};
    cc::client c(io, o);
    for (int i = 0; i < 2; ++i)
        BOOST_TEST((c.submit(cc::job_spec{.type = "t"}).wait(io.waitScope).error().code == errc::unavailable));
    BOOST_TEST((c.submit(cc::job_spec{.type = "t"}).wait(io.waitScope).value().id == some_job(7)));
    BOOST_TEST(asked == 2);
}

BOOST_FIXTURE_TEST_CASE(a_single_node_is_not_left_for_being_unavailable, fixture) {
    int asked = 0;
    node.answers.get = is_unavailable(asked);
    auto o = quick(node);
    o.unavailable_patience = milliseconds{0};
    cc::client c(io, o);
    for (int i = 0; i < 3; ++i)
        BOOST_TEST((c.get(some_job(1)).wait(io.waitScope).error().code == errc::unavailable));
    BOOST_TEST(asked == 3);
    BOOST_TEST(node.answers.logins == 1);
}

BOOST_FIXTURE_TEST_CASE(a_worker_whose_node_is_lost_presents_what_it_runs_to_the_next, fixture) {
    second.answers.report = node.answers.report;
    cc::worker w(io, all(), slots(2), [](const assignment&, cc::attempt_context&) {
        return kj::Promise<attempt_outcome>(kj::NEVER_DONE);
    });
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    node.stop();
    BOOST_REQUIRE(until(io, [&] { return second.answers.attaches == 1; }));
    BOOST_REQUIRE(second.answers.presented[0].size() == 1U);
    BOOST_TEST((second.answers.presented[0][0] == attempt_ref{some_job(1), 1}));
}

BOOST_FIXTURE_TEST_CASE(a_worker_whose_reports_are_not_taken_goes_on_to_the_next, fixture) {
    second.answers.report = node.answers.report;
    node.answers.report = [](auto context) -> kj::Promise<void> {
        cc::write(context.getResults().initResults(1)[0], failure{errc::unavailable, "no primary"});
        return kj::READY_NOW;
    };
    auto o = all();
    o.unavailable_patience = milliseconds{20};
    cc::worker w(io, o, slots(2), cc::ready_handler{[](const assignment& a) { return cc::succeed(a.payload); }});
    auto running = w.run().eagerlyEvaluate(nullptr);
    BOOST_REQUIRE(attached());
    assign({1});
    BOOST_REQUIRE(reported_so_many(1));
    BOOST_TEST(second.answers.presented.at(0).size() == 1U);
    BOOST_TEST(reports[0].result == "payload 1");
}

BOOST_FIXTURE_TEST_CASE(clients_begin_with_any_node_of_the_list, fixture) {
    // Of forty clients all begin with the same node once in 3^39.
    for (scripted_node* each : {&node, &second, &third}) each->answers.get = answers(1);
    auto o = all();
    o.order = cc::server_order::random;
    for (int i = 0; i < 40; ++i) {
        cc::client c(io, o);
        BOOST_TEST(c.login().wait(io.waitScope).has_value());
    }
    const std::set<int> logins{node.answers.logins, second.answers.logins, third.answers.logins};
    BOOST_TEST(!logins.contains(40));
}

BOOST_AUTO_TEST_CASE(a_list_of_servers_is_bounded_and_every_one_is_looked_at) {
    cc::options o;
    o.server = "a:1, [::1]:2 ,c:3";
    BOOST_TEST(cc::servers_of(o) == (std::vector<std::string>{"a:1", "[::1]:2", "c:3"}),
               boost::test_tools::per_element());
    BOOST_TEST(cc::validate(o).has_value());
    for (const char* bad : {"a:1,", ",a:1", "a:1,,b:2", "a:1,b", ",", "a:1;b:x"}) {
        o.server = bad;
        BOOST_TEST((cc::validate(o).error().code == errc::invalid_argument), bad);
    }
    o.server = "a:1";
    for (std::size_t i = 0; i < limits::client_servers_max; ++i) o.server += ",a:1";
    BOOST_TEST(!cc::validate(o).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
