// Who holds a shard and who leads it: the one value that the whole cluster must agree on for a shard. It is a key
// of the control store (`/shards/<number>`, written down by membership/shard_record) and changes only by
// compare-and-swap on its version.
//
// Invariants, which membership/shard_record checks on what comes over a socket: the lists are sorted and name
// nobody twice; `primary` is one of `in_sync`; `in_sync` is a part of `replicas`; the epoch grows with every change
// of the primary and never falls.
//
// Used by the replication machine, the planner (placement) and the codec. A value; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "schema/ids.hpp"

namespace coppice {

struct shard_config {
    std::uint64_t version = 0; // of the control store's key; compare-and-swap is on it
    std::uint64_t epoch = 0;
    node_id primary{};
    std::vector<node_id> in_sync;  // primary included, sorted
    std::vector<node_id> replicas; // that should hold the shard: in-sync ones, learners that catch up; sorted

    bool operator==(const shard_config&) const = default;
};

} // namespace coppice
