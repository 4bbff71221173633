// Looks at a whole cluster: whether it has come to rest, and what it is at when it does not.
#pragma once

#include "tests/simulation/sim_cluster.hpp"

namespace coppice::testing {

// Each shard has a primary, and all nodes are in its set.
bool everybody_in_sync(sim_cluster& c);
// All replicas of each shard have come to the same index.
bool all_have_applied_the_same(sim_cluster& c);
// For whoever looks for the reason of a standstill.
std::string state_of(sim_cluster& c);

} // namespace coppice::testing
