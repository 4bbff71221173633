// Dependencies: children wait for their parents, and are told of their end.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct family : world {
    family() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 1);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(dependencies)

BOOST_AUTO_TEST_CASE(a_child_starts_when_its_last_parent_succeeded_and_gets_their_results) {
    family w;
    const job_id one = w.submit();
    w.report(one, outcome::SUCCEEDED, {.result = "first"}); // ended before the child came
    const job_id two = w.submit();
    const job_id child = w.submit({.after = {two, one, two}});
    BOOST_TEST((w.job(child).state == job_state::BLOCKED));
    BOOST_TEST(w.job(child).parents_pending == 1U);
    BOOST_TEST(w.job(two).children == 1U);
    const std::string large(2000, 'r');
    w.report(two, outcome::SUCCEEDED, {.result = large});
    BOOST_REQUIRE(w.out().starts.size() == 1U);
    const assignment& work = w.out().starts[0].work;
    BOOST_TEST((work.ref.job == child));
    BOOST_REQUIRE(work.parents.size() == 3U);
    BOOST_TEST((work.parents[0].job == two));
    BOOST_TEST((work.parents[0].result == large));
    BOOST_TEST(work.parents[1].result == "first");
    BOOST_TEST(work.parents[1].type == "build");
    BOOST_TEST(w.rows(table::dependents) == 0U);
}

BOOST_AUTO_TEST_CASE(results_of_parents_beyond_the_bound_are_named_not_sent) {
    family w;
    job_type_spec spec;
    spec.name = "build";
    spec.result_bytes_max = limits::result_size_max;
    w.run({type_op{.version = 2, .spec = spec}});
    std::vector<job_id> parents;
    for (int i = 0; i < 3; ++i) {
        parents.push_back(w.submit({.version = 2}));
        w.report(parents.back(), outcome::SUCCEEDED,
                 {.result = std::string(limits::parent_results_size_max / 2, 'r')});
    }
    w.run({submit_op{.job = w.new_id(), .version = 2, .after = parents}});
    const auto& given = w.out().starts.at(0).work.parents;
    BOOST_TEST((!given[0].truncated && !given[1].truncated && given[2].truncated));
    BOOST_TEST(given[2].result.empty());
}

BOOST_AUTO_TEST_CASE(a_child_of_a_failed_parent_is_cancelled_and_its_own_children_with_it) {
    family w;
    const job_id parent = w.submit();
    const job_id child = w.submit({.after = {parent}});
    const job_id grandchild = w.submit({.after = {child}});
    w.report(parent, outcome::FAILED, {.permanent = true});
    for (const job_id& id : {child, grandchild}) {
        BOOST_TEST((w.job(id).state == job_state::CANCELLED));
        BOOST_TEST((w.job(id).code == errc::dependency_failed));
    }
    BOOST_TEST(w.job(child).message.find(to_string(parent)) != std::string::npos);
    BOOST_TEST(w.job(grandchild).message.find(to_string(child)) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_child_submitted_after_its_parent_failed_is_cancelled_at_once) {
    family w;
    const job_id parent = w.submit();
    const job_id other = w.submit();
    w.one(cancel_op{parent, ""});
    w.report(parent, outcome::CANCELLED);
    const job_id child = w.submit({.after = {other, parent}});
    BOOST_TEST((w.job(child).state == job_state::CANCELLED));
    BOOST_TEST((w.job(child).code == errc::dependency_failed));
    w.report(other, outcome::SUCCEEDED); // its row about the child is stale, and does no harm
    BOOST_TEST((w.job(child).state == job_state::CANCELLED));
    BOOST_TEST(w.rows(table::dependents) == 0U);
}

BOOST_AUTO_TEST_CASE(a_parent_must_be_known_and_of_the_same_tenant) {
    family w;
    w.run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "other", .types = {"*"}}}});
    const job_id foreign = w.submit({.job = w.new_id(tenant_id{2})});
    const job_id self = w.new_id();
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = {foreign}}).code == errc::dependency_unknown));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = {w.new_id()}}).code == errc::dependency_unknown));
    BOOST_TEST((w.one(submit_op{.job = self, .after = {self}}).code == errc::dependency_unknown));
    const job_id parent = w.submit();
    const std::vector<job_id> most(limits::parents_max, parent), more(limits::parents_max + 1, parent);
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = more}).code == errc::dependency_unknown));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = most}).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_graph_may_come_in_one_batch) {
    family w;
    const job_id root = w.new_id(), left = w.new_id(), right = w.new_id(), last = w.new_id();
    w.run({submit_op{.job = root}, submit_op{.job = left, .after = {root}},
           submit_op{.job = right, .after = {root}}, submit_op{.job = last, .after = {left, right}}});
    for (const job_id& id : {root, left, right}) {
        BOOST_TEST((w.job(last).state == job_state::BLOCKED));
        BOOST_TEST((w.job(id).state == job_state::RUNNING));
        w.report(id, outcome::SUCCEEDED);
    }
    BOOST_TEST((w.job(last).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_child_with_a_delay_waits_for_both) {
    family w;
    const job_id parent = w.submit();
    const std::int64_t later = to_us(w.now() + std::chrono::minutes{10});
    const job_id early = w.submit({.not_before_us = later, .after = {parent}});
    const job_id late = w.submit({.not_before_us = later, .after = {early}});
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.job(early).state == job_state::SCHEDULED));
    BOOST_TEST(w.job(early).due_us == later);
    w.pass(std::chrono::minutes{10});
    w.tick();
    BOOST_TEST((w.job(early).state == job_state::RUNNING));
    w.report(early, outcome::SUCCEEDED); // the other's time is over by now
    BOOST_TEST((w.job(late).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_blocked_job_with_a_delay_leaves_nothing_behind_when_it_is_cancelled) {
    family w;
    const job_id parent = w.submit();
    const job_id child = w.submit({.not_before_us = to_us(w.now() + std::chrono::hours{1}), .after = {parent}});
    w.one(cancel_op{child, ""});
    BOOST_TEST(w.job(child).due_us == 0);
    BOOST_TEST(w.rows(table::timers) == 0U);
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.job(child).state == job_state::CANCELLED));
}

BOOST_AUTO_TEST_CASE(more_children_than_one_step_tells_are_told_by_ticks_until_all_know) {
    for (const bool well : {true, false}) {
        family w;
        const job_id parent = w.submit();
        std::vector<op> ops;
        std::vector<job_id> children;
        for (std::size_t i = 0; i < 2 * limits::children_per_step + 40; ++i) {
            children.push_back(w.new_id());
            ops.push_back(submit_op{.job = children.back(), .after = {parent}});
        }
        w.run(ops);
        const job_id grandchild = w.submit({.after = {children.back()}});
        w.report(parent, well ? outcome::SUCCEEDED : outcome::FAILED, {.permanent = true});
        const auto told = [&] {
            return std::ranges::count_if(children,
                                         [&](const job_id& id) { return w.job(id).state != job_state::BLOCKED; });
        };
        BOOST_TEST(told() == static_cast<int>(limits::children_per_step));
        BOOST_TEST((w.machine().next_due(*w.data().begin_read()) == w.now())); // at once
        w.reload();
        w.tick();
        BOOST_TEST(told() == static_cast<int>(2 * limits::children_per_step));
        // One that comes in between learns it at once.
        const job_id late = w.submit({.after = {parent}});
        BOOST_TEST((w.job(late).state == (well ? job_state::QUEUED : job_state::CANCELLED)));
        w.tick();
        BOOST_TEST(told() == static_cast<int>(children.size()));
        BOOST_TEST((w.job(grandchild).state == (well ? job_state::BLOCKED : job_state::CANCELLED)));
        BOOST_TEST(w.rows(table::dependents) == (well ? 1U : 0U));
        BOOST_TEST(w.rows(table::timers) == 0U);
    }
}

BOOST_AUTO_TEST_CASE(a_chain_longer_than_one_step_falls_to_its_end) {
    family w;
    const job_id first = w.submit();
    std::vector<job_id> chain{first};
    std::vector<op> ops;
    for (std::size_t i = 0; i < limits::children_per_step + 50; ++i) {
        const job_id next = w.new_id();
        ops.push_back(submit_op{.job = next, .after = {chain.back()}});
        chain.push_back(next);
    }
    w.run(ops);
    w.report(first, outcome::FAILED, {.permanent = true});
    BOOST_TEST((w.job(chain.back()).state == job_state::BLOCKED));
    w.tick();
    BOOST_TEST((w.job(chain.back()).state == job_state::CANCELLED));
}

BOOST_AUTO_TEST_CASE(a_parent_takes_children_up_to_its_bound_and_any_number_once_it_ended) {
    family w;
    const job_id parent = w.submit();
    for (std::size_t made = 0; made < limits::children_max;) {
        std::vector<op> ops;
        for (; ops.size() < 1000; ++made) ops.push_back(submit_op{.job = w.new_id(), .after = {parent}});
        w.run(ops);
    }
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = {parent}}).code == errc::dependency_unknown));
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .after = {parent}}).code == errc::ok));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
