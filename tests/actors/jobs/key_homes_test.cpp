// Keys that stick to the worker that ran them last.
#include "actors/governance/payload_key.hpp"
#include "actors/jobs/key_homes.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct sticky_world : world {
    explicit sticky_world(stickiness sticky = stickiness::soft, std::uint32_t slots = 10) {
        declare_usual();
        job_type_spec spec;
        spec.name = "build";
        spec.concurrency.by = "customer";
        spec.concurrency.running_max = 2;
        spec.workers.sticky = sticky;
        run({type_op{.version = 2, .spec = spec}});
        for (const std::uint64_t id : {1, 2, 3}) attach(worker_id{id}, {"build"}, slots);
    }
    submit_op job_of(const std::string& customer) {
        submit_op s{.job = new_id(), .version = 2, .payload = R"({"customer":")" + customer + R"("})"};
        s.limit_key = stored_payload_key(s.payload, "customer");
        return s;
    }
    // Where the next job of this customer runs.
    std::uint64_t home_of(const std::string& customer, bool ends = true) {
        const job_id id = submit(job_of(customer));
        const std::uint64_t at = job(id).worker;
        if (ends) report(id, outcome::SUCCEEDED);
        return at;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(sticky_keys)

BOOST_AUTO_TEST_CASE(the_next_job_of_a_key_runs_where_the_last_one_did) {
    sticky_world w;
    std::map<std::string, std::uint64_t> homes;
    for (char c = 'a'; c <= 'k'; ++c) homes[std::string{c}] = w.home_of(std::string{c});
    for (int round = 0; round < 3; ++round)
        for (const auto& [customer, home] : homes) BOOST_TEST(w.home_of(customer) == home);
    // They are not all at one worker by chance.
    std::set<std::uint64_t> used;
    for (const auto& [customer, home] : homes) used.insert(home);
    BOOST_TEST(used.size() == 3U);
    // Without it they go in turn.
    sticky_world other(stickiness::none);
    const std::uint64_t first = other.home_of("a");
    BOOST_TEST(other.home_of("a") != first);
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_busy_or_gone_holds_nothing_up) {
    sticky_world w;
    const std::uint64_t home = w.home_of("a");
    w.machine().drain_worker(worker_id{home});
    const std::uint64_t second = w.home_of("a");
    BOOST_TEST(second != home);
    BOOST_TEST(w.home_of("a") == second); // it lives there now
    for (int i = 0; i < 10; ++i) w.attach(worker_id{second}, {"build"}, 0);
    BOOST_TEST(w.home_of("a") != second);
}

BOOST_AUTO_TEST_CASE(a_replica_that_is_told_of_starts_knows_the_homes) {
    sticky_world w;
    const submit_op job = w.job_of("a");
    w.run({job, start_op{job.job, worker_id{3}}}, false);
    w.report(job.job, outcome::SUCCEEDED);
    BOOST_TEST(w.home_of("a") == 3U);
}

BOOST_AUTO_TEST_CASE(the_homes_of_the_keys_that_started_longest_ago_are_forgotten_when_they_are_too_many) {
    key_homes homes;
    constexpr std::uint64_t most = limits::key_homes_max, known = most / 2;
    for (std::uint64_t key = 0; key < 3 * most; ++key) {
        homes.started(tenant_id{1}, type_id{1}, key, worker_id{key + 1});
        homes.started(tenant_id{1}, type_id{1}, most * 10, worker_id{7}); // one that is used all the time
    }
    BOOST_TEST(homes.size() <= most);
    for (std::uint64_t key = 3 * most - known + 1; key < 3 * most; ++key)
        if (homes.find(tenant_id{1}, type_id{1}, key) != worker_id{key + 1}) BOOST_FAIL("not known: " << key);
    BOOST_TEST((homes.find(tenant_id{1}, type_id{1}, most * 10) == worker_id{7}));
    BOOST_TEST((homes.find(tenant_id{1}, type_id{1}, 1) == worker_id{}));
    BOOST_TEST((homes.find(tenant_id{1}, type_id{2}, 3 * most - 1) == worker_id{}));
    BOOST_TEST((homes.find(tenant_id{2}, type_id{1}, 3 * most - 1) == worker_id{}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
