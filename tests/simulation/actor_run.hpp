// One random history of a cluster whose nodes are trees of actors: clients that talk to any node's router,
// executors that are attached to every node, faults drawn from the seed; then everything heals, and every job must
// end.
#pragma once

#include "tests/simulation/random_run.hpp"

namespace coppice::testing {

random_run_outcome actor_run(std::uint64_t seed);

} // namespace coppice::testing
