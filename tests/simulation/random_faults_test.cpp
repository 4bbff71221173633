// Random histories of a sound cluster: nothing is ever found.
//
//     COPPICE_SIM_SEED=N test_simulation --run_test=random_faults     one run again
//     COPPICE_SIM_RUNS=N ...                                          so many, from fresh seeds
#include <array>
#include <cstdlib>

#include "tests/sanitized.hpp"
#include "tests/simulation/random_run.hpp"

namespace coppice::testing {
namespace {

// What the runs find, they find in release, where all of them take seconds; a sanitizer, which takes a run fifty
// times as long, looks for faults of memory, and those show in a few.
constexpr std::size_t fixed_runs = sanitized ? 40 : 200;
constexpr std::size_t fresh_runs = 10;
// Each found something once: a replica of the set that began with nothing; a log that was cleared, and counted on;
// a promise after a takeover was proposed; rows of before that a full disk did not let go.
constexpr std::array<std::uint64_t, 4> remembered{193694293991489, 153981896839212, 148498057715112,
                                                  227343417948045};

std::optional<std::uint64_t> number_from(const char* name) {
    const char* given = std::getenv(name);
    if (given == nullptr) return std::nullopt;
    return std::strtoull(given, nullptr, 10);
}

void run_once(std::uint64_t seed) {
    random_run_outcome outcome;
    try {
        outcome = random_run(seed);
    } catch (const std::exception& e) { // a bug that the product itself has noticed
        outcome.found.add(e.what());
    }
    BOOST_TEST(outcome.found.none(),
               "COPPICE_SIM_SEED=" << seed << " test_simulation --run_test=random_faults:" << outcome.found.text());
    BOOST_TEST(outcome.standstill.empty(), "COPPICE_SIM_SEED=" << seed << ": " << outcome.standstill);
}

void run_fresh(std::uint64_t runs) {
    std::random_device fresh;
    for (std::uint64_t i = 0; i < runs; ++i) run_once(std::uint64_t{fresh()} << 16 | (fresh() & 0xffff));
}

} // namespace

BOOST_AUTO_TEST_SUITE(random_faults)

BOOST_AUTO_TEST_CASE(nothing_acknowledged_is_lost_and_everything_heals) {
    if (const auto seed = number_from("COPPICE_SIM_SEED")) return run_once(*seed);
    if (const auto runs = number_from("COPPICE_SIM_RUNS")) return run_fresh(*runs);
    for (std::uint64_t seed = 1; seed <= fixed_runs; ++seed) run_once(seed);
    for (const std::uint64_t seed : remembered) run_once(seed);
    run_fresh(fresh_runs);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
