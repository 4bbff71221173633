// The store check: walks a shard's tables and says what doesn't fit, in words that name the job. It verifies the
// invariants at the head of shard_machine.hpp from the rows alone, so it trusts nothing that the machine remembers.
//
// Every row is looked at once; whatever it points at is looked up. Kept in memory are one tally for each tenant and
// type, and the parents whose children are still being told; never all jobs. Reads one snapshot: on a large store
// give it a time when a long reader does no harm.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "persistence/tables.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

struct check_report {
    std::vector<std::string> findings; // at most findings_max; the walk ends there
    std::uint64_t rows = 0;            // looked at

    // What a repair has to be told of the findings (cmd::Repair). Not all can be repaired; what is found again
    // afterwards could not.
    struct suspect_row {
        table of{};
        bytes key;
    };
    std::map<job_id, std::vector<suspect_row>> jobs;
    std::set<tenant_id> counters;
};

// Any thread that may use `from`. A row that can't be read is a finding, not an exception. Once `stop` is true the
// walk ends; what it gives then says nothing.
check_report check_store(read_tables& from, shard_id shard, std::size_t findings_max = limits::findings_max,
                         const std::atomic<bool>* stop = nullptr);
// Shards 0 to `shards`, each in a snapshot of its own; those that are being copied from elsewhere are left out.
check_report check_shards(store& data, std::size_t shards, const std::atomic<bool>* stop = nullptr);

// The newest walk that a node made by itself.
struct audit_summary {
    instant at = never; // when it ended; never: there was none
    std::uint64_t rows = 0;
    std::size_t findings = 0;
    std::uint64_t walks = 0;
};

} // namespace coppice
