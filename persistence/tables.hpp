// What a machine sees of storage: ordered tables of bytes, and nothing else. The same `apply` runs on LMDB and on
// the memory twin. Keys compare as unsigned bytes; keys.hpp writes them.
//
// Failing without throwing: when a put cannot be stored (map full), the transaction turns *failed*: every later
// call is harmless and gives nothing, and `commit` answers with the reason. So `apply` needs no error paths for
// storage, and a failed transaction changes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"

namespace coppice {

using bytes_view = std::span<const std::byte>;
using bytes = std::vector<std::byte>;

inline bytes_view as_bytes_view(std::string_view text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}
inline std::string_view as_text(bytes_view view) {
    return {reinterpret_cast<const char*>(view.data()), view.size()};
}

// Every table of both environments. Keys and values are described where the noun is (actors/*/...,
// schema/records.capnp).
enum class table : std::uint8_t {
    meta,           // name -> value: format version, sequence numbers
    declared,       // control only: kind, name -> Declared
    tenants,        // shard, tenant -> TenantRow
    types,          // shard, type -> TypeRow
    counters,       // shard, tenant, type -> CountersRow
    jobs,           // shard, tenant, job -> JobRow
    payloads,       // shard, tenant, job -> bytes above payload_inline_max
    results,        // shard, tenant, job -> bytes above result_inline_max
    queue,          // shard, tenant, type, rank, job -> nothing; of a type with concurrency: key, type's version
    running,        // shard, tenant, job -> RunningRow
    timers,         // shard, due, kind, job -> nothing
    dependents,     // shard, parent, child -> nothing
    idempotency,    // shard, tenant, key text -> IdempotencyRow
    logs,           // shard, tenant, job, attempt, sequence -> LogRow
    evidence,       // shard, sequence -> EvidenceRow
    events,         // shard, sequence -> EventRow
    control,        // control only: key -> revision, lease, value; a single node's control store (cluster/control)
    control_mirror, // key -> as `control`: a node's copy of the cluster's control store
    replicas,       // shard -> ReplicaRow: how far the shard's tables have come; only in a cluster
    shard_log,      // log only: shard, index -> rep::LogEntry
    checkpoints,    // shard, tenant, job -> bytes
    unique,         // shard, tenant, type, 128 bits -> UniqueRow
    graphs,         // shard, tenant, first job -> GraphRow
    schedules,      // shard, schedule -> ScheduleRow
    batches,        // shard, tenant, first job -> BatchRow
};
inline constexpr std::size_t table_count = 25;
std::string_view to_string(table t);

struct row {
    bytes_view key;
    bytes_view value;
};

// Reads. Views stay valid until the next put, erase or end of the same transaction.
class read_tables {
  public:
    virtual ~read_tables() = default;
    virtual std::optional<bytes_view> get(table t, bytes_view key) = 0;
    // The first row whose key is not less than `from`.
    virtual std::optional<row> seek(table t, bytes_view from) = 0;
    // The last row whose key is less than `before`.
    virtual std::optional<row> seek_before(table t, bytes_view before) = 0;
    // The row after the one that the last seek or next on this table gave; after a put or erase on the table, seek
    // anew.
    virtual std::optional<row> next(table t) = 0;
};

class tables : public read_tables {
  public:
    // Stores a copy of `value` under `key`, replacing what was there.
    virtual void put(table t, bytes_view key, bytes_view value) = 0;
    // Room for a value of `size` bytes under `key`, to be written at once, before any other call; empty when
    // failed.
    virtual std::span<std::byte> reserve(table t, bytes_view key, std::size_t size) = 0;
    // Whether there was such a row.
    virtual bool erase(table t, bytes_view key) = 0;
    // ok, or why this transaction can no longer be committed.
    virtual errc status() const = 0;
};

// One write transaction; dropped without commit, it changes nothing.
class write_transaction : public tables {
  public:
    // Durable when it returns ok. Ends the transaction either way. storage_full: map or disk; nothing was changed.
    virtual expected<void> commit() = 0;
    virtual void abort() = 0;
};

// A consistent snapshot; short-lived (limits::reader_age_max), used by the thread that began it.
class read_transaction : public read_tables {};

struct store_stats {
    std::uint64_t map_bytes = 0;  // the most the store may grow to
    std::uint64_t used_bytes = 0; // pages in use, free-listed ones not counted
    std::uint64_t free_bytes = 0; // pages on the free list, to be reused
    std::uint64_t page_bytes = 0;
    std::uint32_t readers = 0;
    std::uint64_t oldest_reader_lag = 0; // transactions behind the newest; 0 without readers
    std::string oldest_reader;           // pid and thread, for the log
};

// One environment. begin_write: one at a time, by one thread (the journal's). begin_read: any thread.
class store {
  public:
    virtual ~store() = default;
    virtual std::unique_ptr<write_transaction> begin_write() = 0;
    virtual std::unique_ptr<read_transaction> begin_read() = 0;
    virtual store_stats stats() = 0;
    // Whether new work may still be taken: used space is below the reserve's line (limits::storage_reserve_part)
    // and the disk took the last commit. Cheap; asked for every batch.
    virtual bool has_room() = 0;
};

} // namespace coppice
