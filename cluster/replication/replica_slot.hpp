// One shard's replica on this node: the pure machines, and what is under way for them. Belongs to
// replicated_journal.
#pragma once

#include <deque>

#include "actors/journal/batch_rules.hpp"
#include "cluster/replication/replica_machine.hpp"

namespace coppice {

// How far the shard's tables have come, as the table `replicas` says.
struct replica_place {
    log_position at;
    std::uint64_t digest = 0;
    instant time = never;
    bool installing = false;
    bool found = false; // there is such a row
    // Of `digest`: what it may be compared with. 0: from the beginning of the shard.
    std::uint64_t chain = 0;
    std::uint64_t layout = 0; // of the rows that were written last
};
replica_place read_place(read_tables& from, shard_id shard);
void write_place(tables& to, shard_id shard, const replica_place& place);

// An entry that the primary has made, and not committed.
struct entry_under_way {
    log_entry entry;
    std::vector<proposal_ptr> proposals; // in the order of the entry's commands
    std::shared_ptr<batch_output> out;   // of applying it in the open transaction; null when that was dropped
    instant since = never;
};

// A snapshot on its way to a learner: one slice at a time, all from one read transaction.
struct snapshot_out {
    std::unique_ptr<read_transaction> rows;
    replica_place place;
    std::uint32_t number = 0; // of the slice that is under way
    std::size_t table_at = 0; // where the next slice begins
    bytes key_at;
    bool last_sent = false;
    slice_message under_way; // sent again when its answer stays away
    instant sent_at = never;
};

struct replica_slot {
    shard_id id{};
    shard_machine machine;
    std::unique_ptr<replica_machine> replica;
    replica_place place;                                         // of the committed tables
    std::optional<replica_place> next;                           // of the tables as the open transaction has them
    std::vector<std::shared_ptr<batch_output>> applied;          // of a follower's entries in the open transaction
    std::deque<std::pair<std::uint64_t, std::uint64_t>> digests; // of the newest entries: index, digest
    std::optional<shard_config> config;
    std::vector<proposal_ptr> waiting; // for the primary's next entry
    std::optional<entry_under_way> under_way;
    bool commit_untold = false; // followers don't know yet that the newest entry is committed
    // While this holds, no entry is begun, so that there comes a moment when a hand-over is possible.
    std::optional<node_id> hand_over_to;
    instant hand_over_until = never;
    bool plan_wanted = false; // slots came free, or starts were left over
    bool held_back = false;   // there was no room for new work: neither starts nor schedules were looked at
    schedule_turns turns;
    std::optional<instant> due;     // the shard's next timer
    std::deque<log_entry> unlogged; // made here: under way, or committed and not yet written to the log
    std::size_t unlogged_bytes = 0;
    instant unlogged_since = never;
    instant apply_due = never; // a follower's committed entries wait to be applied
    std::map<node_id, snapshot_out> snapshots;
    std::uint64_t snapshots_sent = 0, snapshots_installed = 0; // in this process's life
    std::optional<std::pair<node_id, slice_message>> slice;    // waits for the tables' transaction
    std::uint32_t slices_taken = 0;
    log_position slices_of;
    bool installing = false;              // a snapshot was begun: the tables are no state of the shard
    bool erase_wanted = false;            // it is given up: begin with nothing, as soon as no transaction is open
    instant erase_after = instant::min(); // it could not be erased before, and is tried again then
    bool diverged = false;                // its tables are not the primary's: it took itself out

    explicit replica_slot(shard_id shard) : id(shard), machine(shard) {}
};

} // namespace coppice
