// One random history of a cluster: clients and workers, faults drawn from the seed; then everything heals, and
// progress is demanded. All checkers look on.
#pragma once

#include "tests/simulation/checkers.hpp"

namespace coppice::testing {

// What a run is like, beside its seed. The defaults are a sound cluster.
struct random_run_options {
    replica_timing timing{};
    std::size_t disk_forgets = 0;
    // Called before the processes start: a planted bug sets its hooks.
    std::function<void(sim_cluster&)> plant;
    int steps = 150;
    bool until_healed = true; // a planted bug shows before
};

// What it found: nothing, from a sound cluster. `standstill`: the state of a run that made no progress.
struct random_run_outcome {
    violations found;
    std::string standstill;
};
random_run_outcome random_run(std::uint64_t seed, const random_run_options& options = {});

} // namespace coppice::testing
