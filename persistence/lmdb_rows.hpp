// The table operations of one LMDB transaction, through one kept cursor a table.
//
// Every operation moves that cursor, so `next` remembers the key that it gave last and finds its place again when
// something else moved the cursor in between: a get, put or erase never disturbs a walk.
//
// Invariant: after an error that is not "not found", `status` says it and every later call gives nothing.
// Owned by a transaction, which closes it before it ends. Not thread-safe.
#pragma once

#include <array>

#include "persistence/lmdb.hpp"
#include "schema/limits.hpp"

namespace coppice {

// A handle for each table that the environment has.
struct lmdb_tables {
    std::array<MDB_dbi, table_count> handles{};
    std::array<bool, table_count> present{};
};

class lmdb_rows {
  public:
    // For the life of `txn`, a write transaction, or for all snapshots of it, a read transaction. Both stay with
    // the caller.
    lmdb_rows(const lmdb::transaction& txn, const lmdb_tables& tables) : txn_(txn), tables_(tables) {}

    std::optional<bytes_view> get(table t, bytes_view key);
    std::optional<row> seek(table t, bytes_view from);
    std::optional<row> seek_before(table t, bytes_view before);
    std::optional<row> next(table t);
    void put(table t, bytes_view key, bytes_view value);
    std::span<std::byte> reserve(table t, bytes_view key, std::size_t size);
    bool erase(table t, bytes_view key);

    errc status() const { return status_; }
    lmdb::code cause() const { return cause_; }
    // Nothing more will be done with this transaction, for this reason.
    void fail_with(errc status, lmdb::code cause);
    // Before a write transaction ends.
    void close();
    // After a read transaction was renewed.
    void renewed() { ++snapshot_; }

  private:
    struct place {
        lmdb::cursor cursor;
        std::uint64_t snapshot = 0; // of the transaction, that the cursor belongs to
        bool on_row = false;        // a walk is under way; `key` is what it gave last
        bool moved = false;         // the cursor no longer stands there
        std::uint16_t key_size = 0;
        std::array<std::byte, limits::key_size_max> key;
    };
    // Null when failed. A key that LMDB could not hold is a bug of the caller's: std::logic_error.
    place* at(table t, bytes_view key, bool may_be_empty);
    std::optional<row> landed(place& p, lmdb::code c, const row& r);
    bool failed(lmdb::code c);

    const lmdb::transaction& txn_;
    const lmdb_tables& tables_;
    errc status_ = errc::ok;
    lmdb::code cause_ = 0;
    std::uint64_t snapshot_ = 1;
    bytes_view given_; // the value given last: no longer one after a change, so it cannot be what is put
    std::array<place, table_count> places_;
};

} // namespace coppice
