// The store check: walks a shard's tables and says what doesn't fit, in words that name the job. It verifies the
// invariants at the head of shard_machine.hpp from the rows alone, so it trusts nothing that the machine remembers.
//
// Every row is looked at once; whatever it points at is looked up. Kept in memory are one tally for each tenant and
// type, and the parents whose children are still being told; never all jobs. Reads one snapshot: on a large store
// give it a time when a long reader does no harm.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "persistence/tables.hpp"
#include "schema/ids.hpp"

namespace coppice {

struct check_report {
    std::vector<std::string> findings; // at most findings_max; the walk ends there
    std::uint64_t rows = 0;            // looked at
};

// Any thread that may use `from`. A row that can't be read is a finding, not an exception.
check_report check_store(read_tables& from, shard_id shard, std::size_t findings_max = 100);

} // namespace coppice
