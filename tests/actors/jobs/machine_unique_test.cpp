// Unique jobs: one that is there answers for its likes.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct only_once : world {
    explicit only_once(unique_spec unique = {}) {
        declare_usual();
        declare(std::move(unique));
        attach(worker_id{1}, {"build"}, 1);
    }
    void declare(std::optional<unique_spec> unique) {
        job_type_spec spec;
        spec.name = "build";
        spec.unique = std::move(unique);
        run({type_op{.version = ++version, .spec = spec}});
    }
    command_result send(std::uint64_t likeness, submit_op s = {}) {
        s.job = new_id();
        s.version = version;
        s.likeness = likeness;
        return one(s);
    }
    std::uint32_t version = 1;
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_unique)

BOOST_AUTO_TEST_CASE(a_like_job_answers_until_it_has_ended) {
    only_once w;
    const command_result first = w.send(7);
    BOOST_TEST(!first.existing);
    const command_result like = w.send(7);
    BOOST_TEST((like.code == errc::ok && like.existing && like.job == first.job));
    BOOST_TEST(!w.send(8).existing);
    BOOST_TEST(w.rows(table::jobs) == 2U);
    w.reload(); // it is in the tables
    BOOST_TEST(w.send(7).existing);
    w.attach(worker_id{1}, {"build"}, 1);
    w.report(first.job, outcome::SUCCEEDED);
    const command_result next = w.send(7);
    BOOST_TEST((!next.existing && next.job != first.job));
    BOOST_TEST(w.rows(table::unique) == 2U); // no row is left of what ended
}

BOOST_AUTO_TEST_CASE(states_and_period_say_how_long_it_answers) {
    only_once w({.states = {job_state::QUEUED, job_state::RUNNING, job_state::SUCCEEDED},
                 .period = std::chrono::minutes{1}});
    const command_result first = w.send(7);
    w.report(first.job, outcome::SUCCEEDED);
    w.pass(std::chrono::seconds{59});
    BOOST_TEST(w.send(7).existing);
    w.pass(std::chrono::seconds{1});
    const command_result second = w.send(7);
    BOOST_TEST(!second.existing);
    w.report(second.job, outcome::FAILED, {.permanent = true}); // not one of the states
    BOOST_TEST(!w.send(7).existing);
    w.pass(std::chrono::hours{1});
    w.tick();
    BOOST_TEST(w.rows(table::unique) == 0U);
    BOOST_TEST(w.rows(table::timers) == 0U);
}

BOOST_AUTO_TEST_CASE(a_changed_declaration_acts_at_once) {
    only_once w;
    const command_result first = w.send(7);
    w.declare(std::nullopt);
    BOOST_TEST(!w.send(7).existing);
    w.declare(unique_spec{});
    BOOST_TEST(w.send(7).existing);
    BOOST_TEST((w.send(7).job != first.job)); // the newest of them answers
}

BOOST_AUTO_TEST_CASE(a_like_job_answers_though_the_queue_is_full) {
    only_once w;
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 1, .types = {"*"}}}});
    const command_result runs = w.send(1), waits = w.send(2);
    BOOST_TEST((w.send(3).code == errc::queue_full));
    BOOST_TEST((w.send(2).existing && w.send(2).job == waits.job));
    BOOST_TEST((w.send(1).job == runs.job));
}

BOOST_AUTO_TEST_CASE(a_graph_with_a_like_job_is_refused_whole) {
    only_once w;
    const command_result there = w.send(7);
    submit_op one{.job = w.new_id(), .version = w.version}, two{.job = w.new_id(), .version = w.version};
    two.likeness = 7;
    const command_result refused = w.one(graph_op{{one, two}});
    BOOST_TEST((refused.code == errc::conflict));
    BOOST_TEST(refused.detail.find("job 2 of the graph") != std::string::npos, refused.detail);
    BOOST_TEST(refused.detail.find(to_string(there.job)) != std::string::npos, refused.detail);
    one.likeness = two.likeness = 9;
    BOOST_TEST((w.one(graph_op{{one, two}}).code == errc::conflict));
    BOOST_TEST(w.rows(table::jobs) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
