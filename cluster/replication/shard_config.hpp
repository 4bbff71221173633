// Who holds a shard, and who decides in it: the value under `/shards/<number>` in the control store, which alone
// may say so. It changes only by compare-and-swap on its version.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "schema/ids.hpp"

namespace coppice {

struct shard_config {
    std::uint64_t version = 0; // of the control store's key; compare-and-swap is on it
    std::uint64_t epoch = 0;   // grows with every new primary; fences everything an older one says
    node_id primary{};
    std::vector<node_id> in_sync;  // hold every committed entry; the primary included; sorted
    std::vector<node_id> replicas; // should hold the shard: those in sync, and learners that catch up; sorted

    bool is_in_sync(node_id node) const { return std::ranges::binary_search(in_sync, node); }
    bool is_replica(node_id node) const { return std::ranges::binary_search(replicas, node); }
    bool operator==(const shard_config&) const = default;
};

} // namespace coppice
