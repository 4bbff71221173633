// Random histories of a sound cluster of journals: nothing is ever found.
//
//     COPPICE_SIM_SEED=N test_simulation --run_test=random_faults     one run again
//     COPPICE_SIM_RUNS=N ...                                          so many, from fresh seeds
#include <array>

#include "tests/simulation/seeded_runs.hpp"

namespace coppice::testing {
namespace {

// Each found something once: a replica of the set that began with nothing; a log that was cleared, and counted on;
// a promise after a takeover was proposed; rows of before that a full disk did not let go.
constexpr std::array<std::uint64_t, 4> remembered{193694293991489, 153981896839212, 148498057715112,
                                                  227343417948045};

} // namespace

BOOST_AUTO_TEST_SUITE(random_faults)

BOOST_AUTO_TEST_CASE(nothing_acknowledged_is_lost_and_everything_heals) {
    run_seeds("random_faults", {.fixed = 200, .fixed_sanitized = 40, .fresh = 10}, remembered,
              [](std::uint64_t seed) { return random_run(seed); });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
