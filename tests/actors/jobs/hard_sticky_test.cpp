// Keys whose jobs run at one worker alone, as long as it takes work: `workers: {sticky: hard}`.
#include "actors/governance/payload_key.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

std::string payload_of_customer(std::size_t customer) {
    return R"({"customer":"c)" + std::to_string(customer) + R"("})";
}

struct hard_world : world {
    explicit hard_world(std::uint32_t running_max = 2, std::vector<std::uint32_t> slots = {1, 1, 1}) {
        declare_usual();
        job_type_spec spec;
        spec.name = "build";
        spec.attempts_max = limits::attempts_max;
        spec.retry = {milliseconds{0}, milliseconds{0}};
        spec.concurrency = {.by = "customer", .running_max = running_max};
        spec.workers.sticky = stickiness::hard;
        run({type_op{.version = 2, .spec = spec}});
        for (std::size_t i = 0; i < slots.size(); ++i) attach(worker_id{i + 1}, {"build"}, slots[i]);
    }
    submit_op job_of(std::size_t customer) {
        submit_op s{.job = new_id(), .version = 2, .payload = payload_of_customer(customer)};
        s.limit_key = stored_payload_key(s.payload, "customer");
        return s;
    }
    job_id add(std::size_t customer) { return submit(job_of(customer)); }
    bool runs(const job_id& id) { return job(id).state == job_state::RUNNING; }
    worker_id worker_of(const job_id& id) { return worker_id{job(id).worker}; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(hard_sticky_keys)

BOOST_AUTO_TEST_CASE(a_key_waits_for_its_worker_though_others_are_free_and_holds_up_no_other_key) {
    hard_world w;
    const job_id first = w.add(1);
    const worker_id home = w.worker_of(first);
    const job_id second = w.add(1), third = w.add(1); // the key would take two, its worker has one slot
    BOOST_TEST(!w.runs(second));
    const job_id other = w.add(2);
    BOOST_TEST(w.runs(other));
    BOOST_TEST((w.worker_of(other) != home));
    w.report(other, outcome::SUCCEEDED); // a slot elsewhere is of no use to it
    BOOST_TEST(!w.runs(second));
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST(w.runs(second));
    BOOST_TEST((w.worker_of(second) == home));
    BOOST_TEST(!w.runs(third));
    w.report(second, outcome::SUCCEEDED);
    BOOST_TEST((w.worker_of(third) == home));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_gone_or_takes_no_work_holds_its_keys_no_longer) {
    for (const bool drains : {true, false}) {
        hard_world w;
        const job_id first = w.add(1);
        const worker_id home = w.worker_of(first);
        const job_id second = w.add(1);
        BOOST_TEST(!w.runs(second));
        if (drains)
            w.machine().drain_worker(home);
        else
            w.machine().detach_worker(home);
        w.plan();
        BOOST_TEST(w.runs(second));
        BOOST_TEST((w.worker_of(second) != home));
        const job_id third = w.add(1); // that is its home now
        BOOST_TEST(!w.runs(third));
        w.report(second, outcome::SUCCEEDED);
        BOOST_TEST(w.runs(third));
    }
}

BOOST_AUTO_TEST_CASE(tenants_whose_keys_have_the_same_value_do_not_share_a_home) {
    hard_world w(2, {});
    w.run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "bolt", .types = {"*"}}}});
    w.attach(worker_id{1}, {"build"}, 1, tenant_id{1});
    w.attach(worker_id{2}, {"build"}, 1, tenant_id{2});
    const job_id first = w.add(1);
    auto of_other = w.job_of(1);
    of_other.job = w.new_id(tenant_id{2});
    w.run({of_other});
    BOOST_TEST((w.worker_of(of_other.job) == worker_id{2}));
    w.attach(worker_id{3}, {"build"}, 1, tenant_id{1});
    const job_id second = w.add(1);
    BOOST_TEST(!w.runs(second)); // its home is still the first, which is busy
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST((w.worker_of(second) == worker_id{1}));
}

BOOST_AUTO_TEST_CASE(what_runs_says_where_its_key_lives_after_a_restart_and_an_adoption) {
    hard_world w;
    const job_id first = w.add(1);
    const worker_id home = w.worker_of(first);
    w.reload();
    for (const std::uint64_t id : {1, 2, 3}) w.attach(worker_id{id}, {"build"}, 1);
    const job_id second = w.add(1);
    BOOST_TEST(!w.runs(second));
    // The worker comes back under another session, with its attempt.
    w.machine().detach_worker(home);
    w.attach(worker_id{9}, {"build"}, 1);
    w.run({adopt_op{first, 1, worker_id{9}}});
    BOOST_TEST(!w.runs(second));
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST((w.worker_of(second) == worker_id{9}));
}

BOOST_AUTO_TEST_CASE(a_declaration_that_changes_lets_them_go_anywhere) {
    hard_world w;
    w.add(1);
    const job_id second = w.add(1);
    BOOST_TEST(!w.runs(second));
    job_type_spec soft = w.machine().book().type_named("build")->spec;
    soft.workers.sticky = stickiness::soft;
    w.run({type_op{.version = 3, .spec = soft}});
    BOOST_TEST(w.runs(second));
}

BOOST_AUTO_TEST_CASE(slots_that_are_granted_to_a_shard_later_are_found) {
    hard_world w(2, {2, 2});
    const job_id first = w.add(1);
    const worker_id home = w.worker_of(first);
    w.machine().resize_worker(home, 1, 1); // as where shards share a worker's slots
    const job_id second = w.add(1);
    BOOST_TEST(!w.runs(second));
    bool asks = false; // for a slot of that very worker
    for (const auto& wish : w.machine().unserved(100)) asks = asks || wish.only == home;
    BOOST_TEST(asks);
    w.machine().resize_worker(home, 2, 2);
    w.plan();
    BOOST_TEST((w.worker_of(second) == home));
}

BOOST_AUTO_TEST_CASE(ten_thousand_keys_that_wait_for_one_worker_cost_one_look_each_time_it_changes) {
    key_lanes lanes;
    lanes.set_bounds({.by = "customer", .running_max = 1}, test_start);
    constexpr worker_id home{1}, elsewhere{2};
    const auto job_of_key = [](std::uint64_t key) {
        return key_lanes::waiting{{key, job_id::make(1, test_shard, tenant_id{1}, key)}, key};
    };
    for (std::uint64_t key = 1; key <= 10'000; ++key) lanes.wait_for(job_of_key(key), home, test_start);
    lanes.wait_for(job_of_key(20'000), elsewhere, test_start);
    BOOST_TEST(!lanes.first_open(test_start).has_value());
    BOOST_TEST(lanes.shut_out() == 10'001U);
    for (int round = 0; round < 3; ++round) {
        lanes.look_again_at(home);
        const auto first = lanes.first_open(test_start);
        BOOST_REQUIRE(first.has_value());
        BOOST_TEST(first->of == 1U);
        lanes.wait_for(*first, home, test_start); // no slot, still
        BOOST_TEST(!lanes.first_open(test_start).has_value());
    }
    lanes.look_again_at(home);
    lanes.started(1, test_start);
    lanes.left(job_of_key(1).at, 1, test_start);
    BOOST_TEST(lanes.first_open(test_start)->of == 2U);
    lanes.wait_for_any(2, test_start);
    lanes.wait_for(job_of_key(3), home, test_start);
    BOOST_TEST(lanes.first_open(test_start)->of == 2U); // wherever there is a slot
}

// Against the rule itself, over a random history: a start is where the key lives, or its home takes no work; and
// nothing waits that could start.
BOOST_AUTO_TEST_CASE(every_start_is_at_home_and_nothing_waits_that_could_start) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        std::mt19937_64 random{seed};
        const auto below = [&](std::uint64_t n) { return random() % n; };
        constexpr std::uint32_t running_max = 2;
        hard_world w(running_max, {});
        struct worker {
            std::uint32_t slots = 0;
            bool drains = false;
            bool takes_work() const { return !drains; }
        };
        struct one_job {
            std::size_t customer = 0;
            worker_id at{}; // 0: it waits
            std::uint32_t attempt = 0;
        };
        std::map<worker_id, worker> workers;
        std::map<job_id, one_job> jobs;
        std::map<std::size_t, worker_id> homes;
        std::uint64_t next_worker = 1, at_home = 0, moved = 0;
        const auto used = [&](worker_id id) {
            return std::ranges::count_if(jobs, [&](const auto& j) { return j.second.at == id; });
        };
        const auto has_room = [&](worker_id id) {
            return static_cast<std::uint64_t>(used(id)) < workers.at(id).slots;
        };
        const auto home_holds = [&](std::size_t customer) {
            const auto home = homes.find(customer);
            return home != homes.end() && workers.contains(home->second) && workers.at(home->second).takes_work();
        };
        const auto judge = [&](const batch_output& out) {
            for (const start_effect& start : out.starts) {
                one_job& j = jobs.at(start.work.ref.job);
                if (home_holds(j.customer) && homes.at(j.customer) != start.worker)
                    BOOST_FAIL("customer " << j.customer << " is torn from its worker");
                (homes.contains(j.customer) && homes.at(j.customer) == start.worker ? at_home : moved) += 1;
                j.at = start.worker;
                j.attempt = start.work.ref.attempt;
                homes[j.customer] = start.worker;
            }
            for (const auto& [id, j] : jobs) {
                if (j.at != worker_id{} || out.starts_left) continue;
                const auto running = std::ranges::count_if(jobs, [customer = j.customer](const auto& other) {
                    return other.second.customer == customer && other.second.at != worker_id{};
                });
                if (running >= running_max) continue;
                const bool could = home_holds(j.customer)
                                       ? has_room(homes.at(j.customer))
                                       : std::ranges::any_of(workers, [&](const auto& each) {
                                             return each.second.takes_work() && has_room(each.first);
                                         });
                if (could && w.job(id).state == job_state::QUEUED) // else it pauses after a loss
                    BOOST_FAIL("job " << to_string(id) << " waits and could start");
            }
        };
        for (int step = 0; step < 4000; ++step) {
            const auto some_worker = [&] {
                return std::next(workers.begin(), static_cast<long>(below(workers.size())));
            };
            const std::uint64_t kind = below(20);
            if (kind < 8) {
                const std::size_t customer = below(12);
                const auto s = w.job_of(customer);
                jobs[s.job] = {customer};
                judge(w.run({s}));
            } else if (kind < 15) {
                std::vector<op> ops;
                for (auto& [id, j] : jobs) {
                    if (j.at == worker_id{} || below(3) > 0) continue;
                    const bool lost = below(4) == 0;
                    ops.emplace_back(report_op{.job = id,
                                               .attempt = j.attempt,
                                               .what = lost ? outcome::LOST : outcome::SUCCEEDED,
                                               .code = lost ? errc::worker_lost : errc::ok});
                    if (lost)
                        j.at = worker_id{};
                    else
                        j.customer = ~std::size_t{0}; // over
                }
                std::erase_if(jobs, [](const auto& j) { return j.second.customer == ~std::size_t{0}; });
                judge(w.run(ops));
            } else if (kind < 17) {
                const worker_id id{next_worker++};
                workers[id] = {static_cast<std::uint32_t>(1 + below(3))};
                w.attach(id, {"build"}, workers[id].slots);
                judge(w.plan());
            } else if (workers.empty()) {
                continue;
            } else if (kind == 17) {
                const auto at = some_worker();
                at->second.drains = true;
                w.machine().drain_worker(at->first);
                judge(w.plan());
            } else if (kind == 18) {
                const auto at = some_worker();
                at->second.slots = static_cast<std::uint32_t>(below(4));
                w.machine().resize_worker(at->first, at->second.slots, static_cast<std::uint64_t>(step));
                judge(w.plan());
            } else {
                const worker_id gone = some_worker()->first;
                workers.erase(gone);
                w.machine().detach_worker(gone);
                judge(w.plan());
            }
        }
        BOOST_TEST(at_home > 100U);
        BOOST_TEST(moved > 20U);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
