// A tenant whose job actors keep crashing is alone with it: nothing restarts in another tenant's subtree, and the
// other's jobs run and end meanwhile.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id worker{1};
constexpr tenant_id acme{1};
constexpr tenant_id bolt{2};
constexpr type_id plain{1};
constexpr type_id brief{2};
constexpr int crashes = 1000;
constexpr milliseconds between = milliseconds{60'000} / crashes;

std::vector<job_type_spec> types() {
    job_type_spec one;
    one.name = "plain";
    one.retry = {0ms, 0ms};
    job_type_spec other = one;
    other.name = "brief";
    other.timeouts.attempt = 30s;
    return {one, other};
}

// What must not change while another tenant's actors crash.
struct quiet_tenant {
    explicit quiet_tenant(virtual_shard& n) : node(n), held(n.submit(plain, bolt)), guard(n.job_actor_of(held)) {}
    // A job of it, from its submission to its end, with no time in between.
    void run_one() {
        const job_id id = node.submit(plain, bolt);
        BOOST_REQUIRE((node.job(id).state == job_state::RUNNING));
        BOOST_REQUIRE(node.job_row(id).restarts == 0U);
        node.report(worker, {id, 1}, outcome::SUCCEEDED);
        node.settle();
        BOOST_REQUIRE((node.job(id).state == job_state::SUCCEEDED));
        ++ended;
    }
    void require_untouched() {
        BOOST_TEST(static_cast<bool>(guard));
        BOOST_TEST((node.job_actor_of(held) == guard));
        const auto rows = node.environment->tree->snapshot("node/shard/tenants/bolt", 100);
        BOOST_TEST(rows.size() == 2U); // the tenant's supervisor and the job that it holds
        for (const tree_row& row : rows) {
            BOOST_TEST(row.restarts == 0U);
            BOOST_TEST(row.last_failure.empty());
        }
        for (const auto* path : {"node/journal", "node/shard", "node/shard/tenants", "node/shard/scheduler",
                                 "node/shard/tenants/acme", "node/workers"})
            BOOST_TEST_CONTEXT(path) BOOST_TEST(node.row(path).restarts == 0U);
        BOOST_TEST(node.count(supervision_event::gave_up) == 0U);
    }
    virtual_shard& node;
    job_id held;
    caf::actor guard;
    std::size_t ended = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(crash_storms)

BOOST_AUTO_TEST_CASE(a_job_actor_that_crashes_a_thousand_times_a_minute_restarts_nothing_of_another_tenant) {
    virtual_shard node{types(), {.base = 0ms, .max = 0ms}};
    node.attach(worker, 3);
    quiet_tenant quiet{node};
    const job_id bad = node.submit(plain, acme);
    const instant begin = node.now();
    for (int i = 0; i < crashes; ++i) {
        BOOST_REQUIRE(node.fail_job_actor(bad));
        if (i % 10 == 0) quiet.run_one();
        node.pass(between);
    }
    BOOST_TEST((node.now() - begin <= 60s));
    BOOST_TEST(node.job_row(bad).restarts == static_cast<unsigned>(crashes));
    BOOST_TEST(quiet.ended == 100U);
    quiet.require_untouched();
    BOOST_TEST(node.job(bad).attempt == 1U); // nor is the attempt harmed whose guard it is
    node.report(worker, {bad, 1}, outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST((node.job(bad).state == job_state::SUCCEEDED));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_job_actor_that_keeps_crashing_is_held_back_and_its_timeout_still_comes) {
    virtual_shard node{types()};
    node.attach(worker, 3);
    quiet_tenant quiet{node};
    const job_id bad = node.submit(brief, acme);
    std::size_t asked = 0;
    while (node.job(bad).attempt == 1 && asked < 1000) {
        node.fail_job_actor(bad);
        if (++asked % 10 == 0) quiet.run_one();
        node.pass(between);
    }
    // In the first half minute: at once, then after 50 ms, 100 ms, and so on to 10 s, each less by up to a half.
    BOOST_TEST((node.job(bad).code == errc::timeout_attempt));
    BOOST_TEST(asked >= 500U);
    BOOST_TEST(asked <= 700U);
    BOOST_TEST(node.count(supervision_event::restarted) >= 7U);
    BOOST_TEST(node.count(supervision_event::restarted) <= 14U);
    quiet.require_untouched();
}

BOOST_AUTO_TEST_CASE(a_storm_of_many_job_actors_restarts_nothing_of_another_tenant) {
    virtual_shard node{types()};
    constexpr int many = 200;
    node.attach(worker, many + 2);
    quiet_tenant quiet{node};
    std::vector<job_id> ids;
    for (int i = 0; i < many; ++i) ids.push_back(node.submit(plain, acme));
    const instant begin = node.now();
    for (int second = 0; second < 59; ++second) {
        for (const job_id& id : ids)
            if (const caf::actor guard = node.job_actor_of(id))
                caf::anon_send(caf::actor_cast<job_handle>(guard), fail_on_purpose{});
        node.pass(500ms);
        quiet.run_one();
        node.pass(500ms);
    }
    BOOST_TEST((node.now() - begin <= 60s));
    BOOST_TEST(node.count(supervision_event::restarted) >= static_cast<std::size_t>(crashes));
    quiet.require_untouched();
    for (const job_id& id : ids) node.report(worker, {id, 1}, outcome::SUCCEEDED);
    node.pass(10s); // those whose actors are held back end as well
    for (const job_id& id : ids) BOOST_TEST((node.job(id).state == job_state::SUCCEEDED));
    BOOST_TEST(node.environment->tree->snapshot("node/shard/tenants/acme", 10).size() == 1U);
    node.require_sound();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
