// Waiting by the feed.
#include <boost/test/unit_test.hpp>

#include "scripted_node.hpp"

namespace {

using namespace coppice;
using namespace coppice::client::testing;
namespace cc = coppice::client;

void write_event(api::Event::Builder to, std::uint64_t sequence, const job_id& id, job_state state) {
    to.setSequence(sequence);
    cc::write(to.initJob(), id);
    to.setState(state);
    to.setAttempt(1);
}

// A feed of our own: `rows` in order, sequence from 1; `first` is the oldest that is still there.
struct feed_fixture {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    scripted_node node{io};
    std::vector<std::pair<job_id, job_state>> rows;
    std::uint64_t first = 1;
    int asked_one_by_one = 0;
    int follows = 0;

    feed_fixture() {
        node.answers.follow = [this](auto context) -> kj::Promise<void> {
            const auto params = context.getParams();
            auto results = context.getResults();
            if (params.getNewest()) {
                results.initLast(1).set(0, rows.size());
                return kj::READY_NOW;
            }
            ++follows;
            const std::uint64_t after = params.getAfter().size() == 0 ? 0 : params.getAfter()[0];
            if (after + 1 < first) {
                cc::write(results.initFailure(), failure{errc::cursor_expired, "pruned"});
                return kj::READY_NOW;
            }
            const std::uint64_t last = std::min<std::uint64_t>(rows.size(), after + params.getLimit());
            if (last <= after) {
                results.initLast(1).set(0, rows.size());
                return io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS);
            }
            auto events = results.initEvents(static_cast<unsigned>(last - after));
            for (unsigned i = 0; i < events.size(); ++i)
                write_event(events[i], after + i + 1, rows[after + i].first, rows[after + i].second);
            results.initLast(1).set(0, last);
            return kj::READY_NOW;
        };
        node.answers.get = [this](auto context) -> kj::Promise<void> {
            ++asked_one_by_one;
            const job_id id = cc::read(context.getParams().getId());
            for (const auto& [job, state] : rows)
                if (job == id) context.getResults().initJob().setState(state);
            if (!context.getResults().hasJob())
                cc::write(context.getResults().initFailure(), failure{errc::not_found, "no job"});
            return kj::READY_NOW;
        };
    }
    void end(std::uint64_t n, job_state state = job_state::SUCCEEDED) { rows.emplace_back(some_job(n), state); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(client_wait_all)

BOOST_FIXTURE_TEST_CASE(ends_are_learnt_from_the_feed_alone, feed_fixture) {
    cc::client c(io, quick(node));
    for (std::uint64_t n = 1; n <= 2500; ++n) end(n, n == 7 ? job_state::FAILED : job_state::SUCCEEDED);
    std::vector<job_id> ids;
    for (std::uint64_t n = 1; n <= 2500; n += 2) ids.push_back(some_job(n));
    std::size_t last = 0;
    const auto ends = c.wait_all(ids, cc::feed_place{}, [&](const cc::wait_progress& p) {
                           BOOST_TEST(p.ended > last);
                           BOOST_TEST(p.total == ids.size());
                           last = p.ended;
                       }).wait(io.waitScope);
    BOOST_REQUIRE(ends.has_value());
    BOOST_REQUIRE(ends->size() == ids.size());
    BOOST_TEST(((*ends)[3]->state == job_state::FAILED));
    BOOST_TEST(((*ends)[4]->id == ids[4]));
    BOOST_TEST(last == ids.size());
    BOOST_TEST(asked_one_by_one == 0);
    BOOST_TEST(follows == 3);
}

BOOST_FIXTURE_TEST_CASE(an_event_that_does_not_end_a_job_does_not_end_the_wait, feed_fixture) {
    cc::client c(io, quick(node));
    end(1, job_state::RUNNING);
    auto waiting = c.wait_all({some_job(1)}, cc::feed_place{});
    BOOST_REQUIRE(until(io, [&] { return follows >= 2; }));
    BOOST_TEST(!waiting.poll(io.waitScope));
    end(1, job_state::CANCELLED);
    const auto ends = waiting.wait(io.waitScope);
    BOOST_TEST((ends->front()->state == job_state::CANCELLED));
}

BOOST_FIXTURE_TEST_CASE(a_lost_cursor_costs_one_question_for_each_job_not_seen_to_end, feed_fixture) {
    cc::client c(io, quick(node));
    for (std::uint64_t n = 1; n <= 100; ++n) end(n);
    first = 50;
    std::vector<job_id> ids;
    for (std::uint64_t n = 1; n <= 101; ++n) ids.push_back(some_job(n));
    auto waiting = c.wait_all(ids, cc::feed_place{});
    // The last of them runs still, as far as the node says; it ends by the feed.
    end(101, job_state::RUNNING);
    BOOST_REQUIRE(until(io, [&] { return asked_one_by_one == 101; }));
    end(101);
    const auto ends = waiting.wait(io.waitScope);
    BOOST_REQUIRE(ends.has_value());
    for (const auto& e : *ends) BOOST_TEST((e->state == job_state::SUCCEEDED));
    BOOST_TEST(asked_one_by_one == 101);
}

BOOST_FIXTURE_TEST_CASE(a_feed_that_goes_back_is_another_feed, feed_fixture) {
    cc::client c(io, quick(node));
    end(1);
    const auto ends = c.wait_all({some_job(1)}, cc::feed_place{{1000}}).wait(io.waitScope);
    BOOST_TEST((ends->front()->state == job_state::SUCCEEDED));
    BOOST_TEST(asked_one_by_one == 1);
}

BOOST_FIXTURE_TEST_CASE(a_job_that_never_was_is_not_waited_for, feed_fixture) {
    cc::client c(io, quick(node));
    end(1);
    const auto ends = c.wait_all({some_job(1), some_job(2)}).wait(io.waitScope);
    BOOST_TEST((ends->at(0)->state == job_state::SUCCEEDED));
    BOOST_TEST((ends->at(1).error().code == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(a_wait_survives_a_restart_of_the_node, feed_fixture) {
    cc::client c(io, quick(node));
    auto waiting = c.wait_all({some_job(1)}, cc::feed_place{});
    BOOST_REQUIRE(until(io, [&] { return follows >= 1; }));
    node.stop();
    BOOST_TEST(!waiting.poll(io.waitScope));
    node.start();
    end(1);
    BOOST_TEST((waiting.wait(io.waitScope)->front()->state == job_state::SUCCEEDED));
    BOOST_TEST(asked_one_by_one == 0);
}

BOOST_AUTO_TEST_SUITE_END()
