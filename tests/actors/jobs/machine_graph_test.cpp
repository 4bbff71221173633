// Graphs: taken all together or not at all; children that run however their parents end; checkpoints.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct graphs : world {
    graphs() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 2);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_graph, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(all_of_a_graph_is_there_in_one_commit_and_runs_in_its_order) {
    graphs w;
    const submit_op fetch = w.spec(), left = w.spec({fetch.job}), right = w.spec({fetch.job}),
                    sum = w.spec({left.job, right.job});
    const command_result taken = w.one(graph_op{{fetch, left, right, sum}});
    BOOST_TEST((taken.code == errc::ok && taken.job == fetch.job));
    BOOST_TEST((w.job(fetch.job).state == job_state::RUNNING));
    BOOST_TEST(w.job(sum.job).parents_pending == 2U);
    w.report(fetch.job, outcome::SUCCEEDED);
    BOOST_TEST(w.out().starts.size() == 2U);
    w.report(left.job, outcome::SUCCEEDED);
    w.report(right.job, outcome::SUCCEEDED);
    BOOST_TEST((w.job(sum.job).state == job_state::RUNNING));
    BOOST_TEST(w.rows(table::graphs) == 1U);
}

BOOST_AUTO_TEST_CASE(one_that_is_refused_refuses_all_and_is_named) {
    graphs w;
    const auto refused = [&](std::vector<submit_op> jobs, errc code, const std::string& says) {
        const command_result r = w.one(graph_op{std::move(jobs)});
        BOOST_TEST((r.code == code), to_string(r.code) << ", not " << to_string(code));
        BOOST_TEST(r.detail.find(says) != std::string::npos, r.detail);
        BOOST_TEST(w.rows(table::queue) == 0U);
        BOOST_TEST(w.rows(table::graphs) == 0U);
    };
    submit_op odd = w.spec();
    refused({}, errc::invalid_argument, "1 to 10000 jobs");
    refused({w.spec(), w.spec({w.new_id()})}, errc::dependency_unknown, "job 2 of the graph");
    odd.type = type_id{9};
    refused({w.spec(), w.spec(), odd}, errc::unknown_type, "job 3 of the graph");
    odd = w.spec();
    odd.key = "k";
    refused({w.spec(), odd}, errc::invalid_argument, "only a graph's first job has a key");
    odd.job = w.new_id(tenant_id{2});
    odd.key.clear();
    refused({w.spec(), odd}, errc::invalid_argument, "of one tenant");
    odd = w.spec();
    refused({odd, odd}, errc::invalid_argument, "each is there once");
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 2, .types = {"*"}}}});
    refused({w.spec(), w.spec(), w.spec()}, errc::queue_full, "queued_max is 2");
    BOOST_TEST(w.rows(table::jobs) == 0U);
}

BOOST_AUTO_TEST_CASE(a_graph_that_is_sent_again_is_the_same_one) {
    graphs w;
    submit_op first = w.spec();
    first.key = "nightly";
    const graph_op once{{first, w.spec({first.job})}};
    BOOST_TEST(!w.one(once).existing);
    BOOST_TEST(w.one(once).existing); // its answer was lost on the way
    submit_op other = w.spec();
    other.key = "nightly";
    const command_result known = w.one(graph_op{{other, w.spec()}});
    BOOST_TEST((known.code == errc::ok && known.existing && known.job == first.job));
    other.body = 1;
    BOOST_TEST((w.one(graph_op{{other}}).code == errc::conflict));
    BOOST_TEST((w.one(graph_op{{first, w.spec()}}).job == first.job)); // by its key, whatever it holds
    submit_op taken = first;
    taken.key.clear();
    BOOST_TEST((w.one(graph_op{{taken, w.spec()}}).code == errc::already_exists));
    BOOST_TEST(w.rows(table::jobs) == 2U);
}

BOOST_AUTO_TEST_CASE(a_graph_of_ten_thousand_jobs_is_one_command_and_its_end_is_told) {
    graphs w;
    graph_op g;
    const submit_op root = w.spec();
    g.jobs.push_back(root);
    for (int i = 0; i < 9998; ++i) g.jobs.push_back(w.spec({root.job}));
    submit_op last = w.spec({g.jobs[1].job, g.jobs[2].job});
    last.run_anyway = true;
    g.jobs.push_back(last);
    BOOST_TEST((w.one(g).code == errc::ok));
    w.report(root.job, outcome::FAILED, {.permanent = true});
    for (int i = 0; i < 100 && w.rows(table::dependents) > 0; ++i) w.tick();
    BOOST_TEST((w.job(g.jobs[5000].job).state == job_state::CANCELLED));
    BOOST_TEST((w.job(last.job).state == job_state::RUNNING));
    g.jobs.push_back(w.spec());
    BOOST_TEST((w.one(g).code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(a_child_that_runs_anyway_starts_when_its_parents_have_ended_and_learns_how) {
    graphs w;
    const job_id good = w.submit(), bad = w.submit();
    submit_op s{.job = w.new_id(), .after = {good, bad}};
    s.run_anyway = true;
    const job_id child = w.submit(s);
    w.report(bad, outcome::FAILED, {.permanent = true});
    BOOST_TEST((w.job(child).state == job_state::BLOCKED));
    w.report(good, outcome::SUCCEEDED, {.result = "r"});
    BOOST_REQUIRE(w.out().starts.size() == 1U);
    const auto& parents = w.out().starts[0].work.parents;
    BOOST_TEST((parents[0].state == job_state::SUCCEEDED && parents[0].result == "r"));
    BOOST_TEST((parents[1].state == job_state::FAILED && parents[1].result.empty()));
    // Of parents that have ended already, too.
    submit_op late{.job = w.new_id(), .after = {bad}};
    late.run_anyway = true;
    BOOST_TEST((w.job(w.submit(late)).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_is_handed_on_over_failures_and_losses_and_ends_with_the_job) {
    graphs w;
    const job_id id = w.submit();
    const std::string large(limits::checkpoint_size_max, 'c');
    BOOST_TEST((w.report(id, outcome::NONE, {.checkpoint = large}).code == errc::ok));
    BOOST_TEST((w.report(id, outcome::NONE, {.checkpoint = large + "c"}).code == errc::payload_too_large));
    w.report(id, outcome::FAILED);
    BOOST_TEST((w.out().starts.at(0).work.checkpoint == large));
    w.report(id, outcome::LOST, {.checkpoint = "later"});
    BOOST_TEST(w.out().starts.at(0).work.checkpoint == "later");
    w.reload();
    w.attach(worker_id{2}, {"build"}, 1);
    w.report(id, outcome::LOST);
    BOOST_TEST(w.out().starts.at(0).work.checkpoint == "later");
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST(w.rows(table::checkpoints) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
