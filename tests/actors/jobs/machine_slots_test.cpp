// Jobs that take several slots of one worker at once: they get them, however much work of one slot there is.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

// Types 1 "build" of one slot and 2 "train" of `slots`; tenants 1 and 2 of the same weight.
struct wide_world : world {
    explicit wide_world(std::uint32_t slots = 4) {
        declare_usual();
        run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "globex", .types = {"*"}}}});
        declare(slots);
    }
    void declare(std::uint32_t slots) {
        job_type_spec spec;
        spec.name = "train";
        spec.slots = slots;
        spec.retry = {milliseconds{0}, milliseconds{0}};
        run({type_op{.type = type_id{2}, .version = ++version_, .spec = spec}});
    }
    job_id small(tenant_id t = tenant_id{1}) { return submit({.job = new_id(t)}); }
    job_id large(tenant_id t = tenant_id{1}) {
        return submit({.job = new_id(t), .type = type_id{2}, .version = static_cast<std::uint32_t>(version_)});
    }
    bool runs(const job_id& id) { return job(id).state == job_state::RUNNING; }
    std::uint32_t held(std::uint64_t worker) { return machine().pool().held(worker_id{worker}); }

  private:
    std::uint64_t version_ = 1;
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_slots)

BOOST_AUTO_TEST_CASE(a_job_takes_its_slots_of_one_worker_and_gives_them_back) {
    wide_world w{3};
    w.attach(worker_id{1}, {"build", "train"}, 4);
    const job_id first = w.large();
    BOOST_TEST(w.held(1) == 3U);
    BOOST_TEST(w.out().starts.front().work.slots == 3U);
    const job_id one = w.small(), second = w.large();
    BOOST_TEST(w.runs(one));
    BOOST_TEST(!w.runs(second));
    w.pass(milliseconds{1});
    w.report(first, outcome::FAILED); // its next attempt comes after the one that waits
    BOOST_TEST(w.runs(second));
    BOOST_TEST(w.held(1) == 4U);
    w.report(second, outcome::SUCCEEDED);
    BOOST_TEST(w.runs(first));
    w.report(first, outcome::SUCCEEDED, {.attempt = 2});
    w.report(one, outcome::SUCCEEDED);
    BOOST_TEST(w.held(1) == 0U);
}

BOOST_AUTO_TEST_CASE(slots_of_two_workers_are_not_slots_at_once) {
    wide_world w{4};
    w.attach(worker_id{1}, {"train"}, 3);
    w.attach(worker_id{2}, {"train"}, 3);
    const job_id job = w.large();
    BOOST_TEST(!w.runs(job));
    BOOST_TEST((w.machine().pool().kept() == worker_id{}));
    w.attach(worker_id{2}, {"train"}, 4);
    w.plan();
    BOOST_TEST(w.runs(job));
}

// Tenant 2 has always ten jobs of one slot waiting, and one of eight ends at a time: without a worker that is kept,
// eight would never be free at once.
BOOST_AUTO_TEST_CASE(endless_work_of_one_slot_does_not_keep_a_large_job_from_starting) {
    wide_world w{8};
    w.attach(worker_id{1}, {"build", "train"}, 8);
    w.attach(worker_id{2}, {"build"}, 1);
    std::deque<job_id> small;
    for (int i = 0; i < 20; ++i) small.push_back(w.small(tenant_id{2}));
    const job_id large = w.large();
    int ended = 0;
    for (; !w.runs(large) && ended < 100; ++ended) {
        const auto running = std::ranges::find_if(small, [&](const job_id& id) { return w.runs(id); });
        BOOST_REQUIRE(running != small.end());
        const job_id id = *running;
        small.erase(running);
        w.report(id, outcome::SUCCEEDED);
        small.push_back(w.small(tenant_id{2}));
    }
    BOOST_TEST(w.runs(large));
    BOOST_TEST(ended < 40);
    // Afterwards nothing is kept: the others go on.
    w.report(large, outcome::SUCCEEDED);
    BOOST_TEST(w.held(1) == 8U);
    BOOST_TEST((w.machine().pool().kept() == worker_id{}));
}

BOOST_AUTO_TEST_CASE(a_tenant_s_own_small_jobs_wait_behind_its_large_one_there_and_run_elsewhere) {
    wide_world w{2};
    w.attach(worker_id{1}, {"build", "train"}, 2);
    const job_id first = w.small();
    w.pass(milliseconds{10});
    const job_id large = w.large();
    w.pass(milliseconds{10});
    const job_id behind = w.small();
    BOOST_TEST(w.runs(first));
    BOOST_TEST((w.machine().pool().kept() == worker_id{1}));
    BOOST_TEST(!w.runs(behind));
    w.attach(worker_id{2}, {"build"}, 1);
    w.plan();
    BOOST_TEST(w.runs(behind));
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST(w.runs(large));
}

BOOST_AUTO_TEST_CASE(a_changed_declaration_counts_from_the_next_start_on) {
    wide_world w{3};
    w.attach(worker_id{1}, {"train"}, 4);
    const job_id job = w.large();
    w.declare(2);
    BOOST_TEST(w.held(1) == 3U);
    BOOST_TEST(!w.runs(w.large()));
    w.report(job, outcome::SUCCEEDED);
    BOOST_TEST(w.held(1) == 2U);
    BOOST_TEST(w.runs(w.large()));
    BOOST_TEST(w.held(1) == 4U);
}

BOOST_AUTO_TEST_CASE(a_restart_and_an_adoption_know_what_a_job_holds) {
    wide_world w{3};
    w.attach(worker_id{1}, {"train"}, 4);
    const job_id job = w.large();
    w.declare(1);
    w.reload();
    BOOST_TEST(w.held(1) == 3U);
    w.attach(worker_id{2}, {"train"}, 4);
    BOOST_TEST((w.one(adopt_op{job, 1, worker_id{2}}).code == errc::ok));
    BOOST_TEST(w.held(1) == 0U);
    BOOST_TEST(w.held(2) == 3U);
    w.report(job, outcome::SUCCEEDED);
    BOOST_TEST(w.held(2) == 0U);
}

// Of two tenants of one weight, one with jobs of three slots: it starts a third as many.
BOOST_AUTO_TEST_CASE(a_turn_costs_as_much_as_the_slots_that_it_takes) {
    wide_world w{3};
    std::vector<op> ops;
    for (int i = 0; i < 600; ++i) {
        ops.push_back(submit_op{.job = w.new_id(tenant_id{1})});
        ops.push_back(submit_op{.job = w.new_id(tenant_id{2}), .type = type_id{2}, .version = 2});
    }
    w.run(ops);
    w.attach(worker_id{1}, {"build", "train"}, 400);
    std::size_t small = 0, large = 0;
    for (const auto& start : w.plan().starts) ++(start.work.slots == 1 ? small : large);
    BOOST_TEST(small + 3 * large >= 398U);
    BOOST_TEST(small >= 197U);
    BOOST_TEST(small <= 203U);
}

BOOST_AUTO_TEST_CASE(what_waits_for_several_slots_is_told_with_their_number) {
    wide_world w{4};
    w.attach(worker_id{1}, {"train"}, 2);
    w.large();
    const auto waiting = w.machine().unserved(10);
    BOOST_REQUIRE(waiting.size() == 1U);
    BOOST_TEST((waiting.front().type == type_id{2} && waiting.front().slots == 4));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
