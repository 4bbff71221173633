// Many random histories, from seeds: fixed ones, those that found something once, and fresh ones. What fails is
// named by the command that runs it again.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "tests/sanitized.hpp"
#include "tests/simulation/random_run.hpp"

namespace coppice::testing {

// What the runs find, they find in release, where all of them take seconds; a sanitizer, which takes a run fifty
// times as long, looks for faults of memory, and those show in a few.
struct seed_counts {
    std::uint64_t fixed = 0, fixed_sanitized = 0, fresh = 0;
};
using seeded_run = std::function<random_run_outcome(std::uint64_t seed)>;

inline std::optional<std::uint64_t> number_from(const char* name) {
    const char* given = std::getenv(name);
    if (given == nullptr) return std::nullopt;
    return std::strtoull(given, nullptr, 10);
}

inline void run_seed(const std::string& suite, std::uint64_t seed, const seeded_run& run) {
    BOOST_TEST_CHECKPOINT("COPPICE_SIM_SEED=" << seed << " --run_test=" << suite);
    random_run_outcome outcome;
    try {
        outcome = run(seed);
    } catch (const std::exception& e) { // a bug that the product itself has noticed
        outcome.found.add(e.what());
    }
    BOOST_TEST(outcome.found.none(), "COPPICE_SIM_SEED=" << seed << " test_simulation --run_test=" << suite << ":"
                                                         << outcome.found.text());
    BOOST_TEST(outcome.standstill.empty(), "COPPICE_SIM_SEED=" << seed << " test_simulation --run_test=" << suite
                                                               << ": " << outcome.standstill);
}

// COPPICE_SIM_SEED: that one alone; COPPICE_SIM_RUNS: so many fresh ones.
inline void run_seeds(const std::string& suite, seed_counts counts, std::span<const std::uint64_t> remembered,
                      const seeded_run& run) {
    if (const auto seed = number_from("COPPICE_SIM_SEED")) return run_seed(suite, *seed, run);
    const auto asked = number_from("COPPICE_SIM_RUNS");
    if (!asked) {
        for (std::uint64_t seed = 1; seed <= (sanitized ? counts.fixed_sanitized : counts.fixed); ++seed)
            run_seed(suite, seed, run);
        for (const std::uint64_t seed : remembered) run_seed(suite, seed, run);
    }
    std::random_device fresh;
    for (std::uint64_t i = 0; i < asked.value_or(counts.fresh); ++i)
        run_seed(suite, std::uint64_t{fresh()} << 16 | (fresh() & 0xffff), run);
}

} // namespace coppice::testing
