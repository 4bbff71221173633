// What users of other job systems report, where the machine alone decides.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(machine_pitfalls)

// Urgent work that never ends holds a job of the last priority back by no more than the ageing bound: a priority is
// a head start of limits::priority_step over the next.
BOOST_AUTO_TEST_CASE(the_last_priority_starts_within_its_ageing_bound) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    job_id running = w.submit({.priority = limits::priority_first});
    for (int i = 0; i < 5; ++i) w.submit({.priority = limits::priority_first}); // never an empty queue of them
    const instant submitted = w.now();
    const job_id patient = w.submit({.priority = limits::priority_last});
    const auto bound = (limits::priority_last - limits::priority_first) * limits::priority_step;
    constexpr std::chrono::seconds each{10};
    while (w.job(patient).state == job_state::QUEUED) {
        w.submit({.priority = limits::priority_first});
        w.pass(each);
        w.report(running, outcome::SUCCEEDED);
        BOOST_REQUIRE(w.out().starts.size() == 1U);
        running = w.out().starts.front().work.ref.job;
        // Those that were ready before it aged past them are first: six of them, ten seconds each.
        BOOST_REQUIRE((w.now() <= submitted + bound + 7 * each));
    }
    BOOST_TEST((w.now() >= submitted + bound)); // nor is a priority worth less than it says
}

// Whatever is not started for want of a worker is kept, and does not hold up what can be.
BOOST_AUTO_TEST_CASE(jobs_of_a_type_that_nobody_runs_any_more_wait_and_hold_nobody_up) {
    world w;
    w.declare_usual();
    job_type_spec other;
    other.name = "gone";
    w.run({type_op{.type = type_id{2}, .spec = other}});
    w.attach(worker_id{1}, {"build", "gone"}, 1);
    const job_id first = w.submit({.type = type_id{2}});
    BOOST_TEST((w.job(first).state == job_state::RUNNING));
    w.machine().detach_worker(worker_id{1}); // rolled back to a version without the type
    w.report(first, outcome::LOST);
    w.attach(worker_id{2}, {"build"}, 1);
    for (int i = 0; i < 200; ++i) w.submit({.type = type_id{2}});
    const job_id known = w.submit();
    BOOST_TEST((w.job(known).state == job_state::RUNNING));
    w.pass(std::chrono::hours{24 * 30});
    w.tick();
    BOOST_TEST((w.job(first).state == job_state::QUEUED));
    w.attach(worker_id{3}, {"gone"}, 1);
    w.plan();
    BOOST_TEST((w.job(first).state == job_state::RUNNING)); // it has been ready for longest
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
