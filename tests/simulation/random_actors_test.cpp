// Random histories of a sound cluster whose nodes are trees of actors: nothing is ever found.
//
//     COPPICE_SIM_SEED=N test_simulation --run_test=random_actors     one run again
//     COPPICE_SIM_RUNS=N ...                                          so many, from fresh seeds
#include "tests/simulation/actor_run.hpp"
#include "tests/simulation/seeded_runs.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(random_actors)

BOOST_AUTO_TEST_CASE(every_job_ends_once_whatever_becomes_of_nodes_and_links) {
    run_seeds("random_actors", {.fixed = 100, .fixed_sanitized = 5, .fresh = 3}, {},
              [](std::uint64_t seed) { return actor_run(seed); });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
