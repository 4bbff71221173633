// The logs of a node's shards on disk: what a follower has of its primary's entries before they may be applied, and
// what is kept for those that catch up. In a store of its own, so that it is written while the store of the tables
// waits for other nodes with a transaction open. One thread.
//
// Changes gather in one transaction for all shards until `flush`, which is when they are on disk.
#pragma once

#include <set>

#include "cluster/replication/replica_messages.hpp"
#include "persistence/tables.hpp"

namespace coppice {

class shard_log {
  public:
    // `log` has the table shard_log and outlives this.
    explicit shard_log(store& log) : store_(log) {}

    // The positions that are there, from where the log can be trusted: a row that is not the next after the one
    // before it begins it anew, and so does the end of the tables, `applied`, when the log lies before it.
    log_positions load(shard_id shard, log_position applied);

    void truncate_after(shard_id shard, std::uint64_t index);
    void append(shard_id shard, const log_entry& entry);
    // Forgets entries before `index`, at most limits::replica_log_trim_max of them at a time.
    void trim_before(shard_id shard, std::uint64_t index);
    void clear(shard_id shard);
    bool changed() const { return transaction_ != nullptr; }
    expected<void> flush();

    // Entries from `from` on, in order, without a gap, up to these bounds; at least one if it is there. What was
    // not flushed is seen too.
    std::vector<log_entry> read(shard_id shard, std::uint64_t from, std::size_t entries_max, std::size_t bytes_max);

  private:
    tables& writing();

    store& store_;
    std::set<shard_id> cleared_; // and not flushed
    std::unique_ptr<write_transaction> transaction_;
};

} // namespace coppice
