// What a lost connection means to a call, and how a client comes back.
#include <boost/test/unit_test.hpp>

#include "runtime/client/link.hpp"
#include "scripted_node.hpp"

namespace {

using namespace coppice;
using namespace coppice::client::testing;
namespace cc = coppice::client;

struct link_fixture {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    scripted_node node{io};

    // A node that takes every job.
    void accept_all() {
        node.answers.submit = [](auto context) -> kj::Promise<void> {
            auto jobs = context.getParams().getJobs();
            auto results = context.getResults().initResults(jobs.size());
            for (unsigned i = 0; i < jobs.size(); ++i) cc::write(results[i].initId(), some_job(i + 1));
            return kj::READY_NOW;
        };
    }
};

cc::job_spec keyed(std::string key) { return {.type = "t", .idempotency_key = std::move(key)}; }

} // namespace

BOOST_AUTO_TEST_SUITE(client_link)

BOOST_FIXTURE_TEST_CASE(a_read_is_repeated_when_its_connection_is_lost, link_fixture) {
    int asked = 0;
    node.answers.get = [&](auto context) -> kj::Promise<void> {
        if (++asked == 1) {
            node.cut_connections();
            return never_answer();
        }
        context.getResults().initJob().setRevision(7);
        return kj::READY_NOW;
    };
    cc::client c(io, quick(node));
    const auto job = c.get(some_job(1)).wait(io.waitScope);
    BOOST_REQUIRE(job.has_value());
    BOOST_TEST(job->revision == 7U);
    BOOST_TEST(asked == 2);
    BOOST_TEST(node.answers.logins == 2);
}

BOOST_FIXTURE_TEST_CASE(a_submit_without_a_key_that_was_under_way_has_an_unknown_outcome, link_fixture) {
    int asked = 0;
    node.answers.submit = [&](auto) -> kj::Promise<void> {
        ++asked;
        node.cut_connections();
        return never_answer();
    };
    cc::client c(io, quick(node));
    const auto answers = c.submit(std::vector<cc::job_spec>{keyed("a"), keyed("")}).wait(io.waitScope);
    BOOST_REQUIRE(answers.size() == 2U);
    for (const auto& answer : answers) BOOST_TEST((answer.error().code == errc::unknown_outcome));
    BOOST_TEST(asked == 1);
}

BOOST_FIXTURE_TEST_CASE(a_submit_whose_every_job_has_a_key_is_repeated, link_fixture) {
    int asked = 0;
    accept_all();
    auto take = node.answers.submit;
    node.answers.submit = [&, take](auto context) -> kj::Promise<void> {
        if (++asked > 2) return take(context);
        node.cut_connections();
        return never_answer();
    };
    cc::client c(io, quick(node));
    const auto answers = c.submit(std::vector<cc::job_spec>{keyed("a"), keyed("b")}).wait(io.waitScope);
    BOOST_REQUIRE(answers.size() == 2U);
    BOOST_TEST((answers[1].value().id == some_job(2)));
    BOOST_TEST(asked == 3);
}

BOOST_FIXTURE_TEST_CASE(a_call_waits_for_a_node_that_comes_back, link_fixture) {
    accept_all();
    node.stop();
    cc::client c(io, quick(node));
    // Not sent, so it may be tried again although it has no key.
    auto pending = c.submit(keyed(""));
    BOOST_TEST(!pending.poll(io.waitScope));
    node.start();
    BOOST_TEST(pending.wait(io.waitScope).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_node_that_is_not_there_is_unavailable_after_the_deadline, link_fixture) {
    auto o = quick(node);
    o.retry_for = milliseconds{50};
    node.stop();
    cc::client c(io, o);
    const auto job = c.get(some_job(1)).wait(io.waitScope);
    BOOST_TEST((job.error().code == errc::unavailable));
    o.retry_for = milliseconds{0};
    cc::client impatient(io, o);
    BOOST_TEST((impatient.feed_position().wait(io.waitScope).error().code == errc::unavailable));
}

BOOST_FIXTURE_TEST_CASE(a_refused_token_is_not_presented_again, link_fixture) {
    node.answers.login = [](std::string) { return failure{errc::unauthenticated, "bad signature"}; };
    cc::client c(io, quick(node));
    const auto granted = c.login().wait(io.waitScope);
    BOOST_TEST((granted.error() == failure{errc::unauthenticated, "bad signature"}));
    BOOST_TEST(node.answers.logins == 1);
}

BOOST_FIXTURE_TEST_CASE(a_token_that_expired_under_a_session_leads_to_one_new_login, link_fixture) {
    int asked = 0;
    node.answers.submit = [&](auto context) -> kj::Promise<void> {
        ++asked;
        cc::write(context.getResults().initFailure(), failure{errc::token_expired, "exp"});
        return kj::READY_NOW;
    };
    cc::client c(io, quick(node));
    const auto answer = c.submit(keyed("")).wait(io.waitScope);
    BOOST_TEST((answer.error().code == errc::token_expired));
    BOOST_TEST(asked == 2);
    BOOST_TEST(node.answers.logins == 2);
}

BOOST_FIXTURE_TEST_CASE(many_calls_share_one_connection, link_fixture) {
    accept_all();
    cc::client c(io, quick(node));
    auto calls = kj::heapArrayBuilder<kj::Promise<void>>(500);
    int taken = 0;
    for (int i = 0; i < 500; ++i)
        calls.add(c.submit(keyed("")).then([&](expected<cc::submitted> s) { taken += s.has_value(); }));
    kj::joinPromises(calls.finish()).wait(io.waitScope);
    BOOST_TEST(taken == 500);
    BOOST_TEST(node.answers.logins == 1);
}

BOOST_FIXTURE_TEST_CASE(calls_past_the_bound_are_refused_here, link_fixture) {
    node.answers.submit = [](auto) { return never_answer(); };
    cc::client c(io, quick(node));
    std::vector<kj::Promise<expected<cc::submitted>>> calls;
    for (std::size_t i = 0; i < limits::rpc_calls_per_connection_max; ++i) calls.push_back(c.submit(keyed("")));
    BOOST_TEST((c.submit(keyed("")).wait(io.waitScope).error().code == errc::overloaded));
}

BOOST_FIXTURE_TEST_CASE(a_node_that_does_not_answer_is_given_up, link_fixture) {
    node.answers.submit = [](auto) { return never_answer(); };
    auto o = quick(node);
    o.call_timeout = milliseconds{30};
    cc::client c(io, o);
    BOOST_TEST((c.submit(keyed("")).wait(io.waitScope).error().code == errc::unknown_outcome));
}

BOOST_FIXTURE_TEST_CASE(a_fault_in_the_node_is_told_as_one_and_not_repeated, link_fixture) {
    int asked = 0;
    node.answers.get = [&](auto) -> kj::Promise<void> {
        ++asked;
        return KJ_EXCEPTION(FAILED, "a bug");
    };
    cc::client c(io, quick(node));
    const auto job = c.get(some_job(1)).wait(io.waitScope);
    BOOST_TEST((job.error().code == errc::internal));
    BOOST_TEST(job.error().detail.find("a bug") != std::string::npos);
    BOOST_TEST(asked == 1);
}

BOOST_FIXTURE_TEST_CASE(a_service_that_the_role_does_not_include_is_denied, link_fixture) {
    cc::client c(io, quick(node));
    BOOST_TEST((c.metrics().wait(io.waitScope).error().code == errc::permission_denied));
}

BOOST_FIXTURE_TEST_CASE(more_jobs_than_a_call_takes_go_out_in_several_and_keep_their_order, link_fixture) {
    std::vector<unsigned> sizes;
    std::uint64_t next = 0;
    node.answers.submit = [&](auto context) -> kj::Promise<void> {
        auto jobs = context.getParams().getJobs();
        sizes.push_back(jobs.size());
        auto results = context.getResults().initResults(jobs.size());
        for (unsigned i = 0; i < jobs.size(); ++i) cc::write(results[i].initId(), some_job(++next));
        return kj::READY_NOW;
    };
    std::vector<cc::job_spec> jobs(2500, cc::job_spec{.type = "t", .payload = "1"});
    for (int i = 0; i < 40; ++i) jobs[static_cast<std::size_t>(i)].payload.assign(limits::payload_size_max, '1');
    jobs[60].payload.assign(limits::rpc_message_size_max, '1');
    cc::client c(io, quick(node));
    const auto answers = c.submit(std::move(jobs)).wait(io.waitScope);
    BOOST_REQUIRE(answers.size() == 2500U);
    for (const unsigned size : sizes) BOOST_TEST(size <= limits::submit_batch_max);
    BOOST_TEST(sizes.size() > 3U);
    BOOST_TEST((answers[59].value().id == some_job(60)));
    BOOST_TEST((answers[60].error().code == errc::payload_too_large));
    BOOST_TEST((answers[2499].value().id == some_job(2499)));
}

BOOST_FIXTURE_TEST_CASE(an_address_without_a_port_is_refused_at_once, link_fixture) {
    auto o = quick(node);
    for (const char* bad : {"localhost", "localhost:", ":1", "localhost:x", "localhost:123456"}) {
        o.server = bad;
        cc::client c(io, o);
        BOOST_TEST((c.login().wait(io.waitScope).error().code == errc::invalid_argument), bad);
    }
}

BOOST_AUTO_TEST_SUITE_END()
