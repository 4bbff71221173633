// The twin of the LMDB store, in memory: the same operations, transactions and snapshots, nothing durable. Tests
// and simulations run on it; one test drives both and demands that they agree.
//
// Faults come in by the constructor only: a bound on bytes makes storage_full happen where a full map would, and
// `failing_commits` makes chosen commits fail, changing nothing, as on a full disk.
#pragma once

#include "persistence/tables.hpp"

namespace coppice {

struct memory_options {
    std::size_t bytes_max = 0; // keys and values together; 0: no bound
    // Commits that fail with storage_full, counted from 1 over the store's life, in order. After each, has_room is
    // false once.
    std::vector<std::uint64_t> failing_commits;
};

// Threads as `store` says.
std::unique_ptr<store> make_memory_store(memory_options options = {});

} // namespace coppice
