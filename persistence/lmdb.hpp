// LMDB as values with owners: environment, transaction, cursor. The only place that calls mdb_*.
//
// A call answers with LMDB's own number (`code`: 0 is ok, negative is LMDB's, positive is an errno), because the
// callers' paths run a million times a second and most answers are "found" or "not found"; errc_of_* turns a
// number into what the rest of Coppice speaks. A key or value from the map is a view that lives as long as its
// transaction, in a write transaction until the next change.
//
// What was found in LMDB 0.9.24 and is dealt with here and in lmdb_store:
// - A commit that fails while it writes or syncs pages aborts the transaction and leaves the environment usable:
// the
//   pages it wrote belong to no meta page. A short write (disk full) shows as EIO.
// - A commit that fails while it writes its meta page puts the environment into a state in which every later begin
//   answers MDB_PANIC, until it is closed and opened again.
// - An inconsistent page can end the process by an assertion: lmdb_check looks at a file before it is mapped.
//
// Threads: an environment, any; a write transaction, the one that began it; a read transaction (MDB_NOTLS), one at
// a time. Source: lmdb.h and mdb.c of LMDB 0.9.24.
#pragma once

#include <lmdb.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "persistence/tables.hpp"

namespace coppice::lmdb {

using code = int;

// storage_full for a full map, transaction or disk; store_damaged for anything else.
errc errc_of_put(code c);
// As errc_of_put, and storage_full for EIO too: LMDB's word for a short write.
errc errc_of_commit(code c);
std::string text_of(code c);

inline MDB_val to_val(bytes_view v) { return {v.size(), const_cast<std::byte*>(v.data())}; }
inline bytes_view to_view(const MDB_val& v) { return {static_cast<const std::byte*>(v.mv_data), v.mv_size}; }

struct environment_info {
    std::uint64_t map_bytes = 0;
    std::uint64_t page_bytes = 0;
    std::uint64_t pages = 0; // up to the last one ever used, free ones included
    std::uint64_t last_transaction = 0;
};

struct reader_info {
    std::uint64_t transaction = 0;
    std::string name; // "pid 12 thread 7f.."
};

class transaction;

class environment {
  public:
    // Opens or creates the single file (and its neighbour "-lock"), mode 0600, with LMDB's full durability: a
    // commit syncs its pages, then writes its meta page synchronously. Clears the slots of dead readers.
    static code open(const std::filesystem::path& file, std::size_t map_bytes, unsigned tables_max,
                     unsigned readers_max, environment& out);

    environment() = default;
    environment(environment&& other) noexcept : env_(std::exchange(other.env_, nullptr)) {}
    environment& operator=(environment&& other) noexcept {
        std::swap(env_, other.env_);
        return *this;
    }
    ~environment() { close(); }
    // No transaction may be left.
    void close();
    bool is_open() const { return env_ != nullptr; }

    code begin_write(transaction& out);
    code begin_read(transaction& out);
    code sync();
    environment_info info() const;
    // Readers with a snapshot, of every process that has the file open.
    std::vector<reader_info> readers() const;

  private:
    MDB_env* env_ = nullptr;
};

class transaction {
  public:
    transaction() = default;
    explicit transaction(MDB_txn* txn) : txn_(txn) {}
    transaction(transaction&& other) noexcept : txn_(std::exchange(other.txn_, nullptr)) {}
    transaction& operator=(transaction&& other) noexcept {
        std::swap(txn_, other.txn_);
        return *this;
    }
    ~transaction() { abort(); }

    bool is_open() const { return txn_ != nullptr; }
    std::uint64_t id() const { return mdb_txn_id(txn_); }
    // Cursors of the transaction are closed before commit and abort. Both end it whatever they answer.
    code commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }
    void abort() {
        if (txn_ != nullptr) mdb_txn_abort(std::exchange(txn_, nullptr));
    }
    // Read transactions only: let the snapshot go but keep the slot; take a new snapshot.
    void reset() { mdb_txn_reset(txn_); }
    code renew() { return mdb_txn_renew(txn_); }

    // A table by name; refuses (MDB_INCOMPATIBLE) one that was made with other flags than Coppice's.
    code open_table(const char* name, bool create, MDB_dbi& out);
    // The unnamed table of names: how many there are.
    code count_tables(std::size_t& out);
    code get(MDB_dbi table, bytes_view key, bytes_view& value);
    code put(MDB_dbi table, bytes_view key, bytes_view value);
    // Pages on the free list as of this transaction. As long as the free list has rows.
    code count_free_pages(std::uint64_t& out);
    MDB_txn* raw() const { return txn_; }

  private:
    MDB_txn* txn_ = nullptr;
};

// One place in one table. In a write transaction it is worth keeping: LMDB finds a key on the page where the
// cursor stands without going down from the root.
class cursor {
  public:
    cursor() = default;
    cursor(const cursor&) = delete;
    cursor& operator=(const cursor&) = delete;
    ~cursor() { close(); }

    bool is_open() const { return cursor_ != nullptr; }
    code open(const transaction& t, MDB_dbi table) { return mdb_cursor_open(t.raw(), table, &cursor_); }
    // Read transactions only, after transaction::renew.
    code renew(const transaction& t) { return mdb_cursor_renew(t.raw(), cursor_); }
    void close() {
        if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
    }

    code find(bytes_view key, bytes_view& value) {
        MDB_val k = to_val(key);
        MDB_val v{};
        const code c = mdb_cursor_get(cursor_, &k, &v, MDB_SET);
        value = to_view(v);
        return c;
    }
    // The first row not less than `from`.
    code find_from(bytes_view from, row& out) { return move(MDB_SET_RANGE, to_val(from), out); }
    code first(row& out) { return move(MDB_FIRST, {}, out); }
    code last(row& out) { return move(MDB_LAST, {}, out); }
    code next(row& out) { return move(MDB_NEXT, {}, out); }
    code previous(row& out) { return move(MDB_PREV, {}, out); }
    code put(bytes_view key, bytes_view value) {
        MDB_val k = to_val(key);
        MDB_val v = to_val(value);
        return mdb_cursor_put(cursor_, &k, &v, 0);
    }
    code reserve(bytes_view key, std::size_t size, std::span<std::byte>& out) {
        MDB_val k = to_val(key);
        MDB_val v{size, nullptr};
        const code c = mdb_cursor_put(cursor_, &k, &v, MDB_RESERVE);
        if (c == 0) out = {static_cast<std::byte*>(v.mv_data), size};
        return c;
    }
    // The row where the cursor stands.
    code erase() { return mdb_cursor_del(cursor_, 0); }

  private:
    code move(MDB_cursor_op op, MDB_val key, row& out) {
        MDB_val v{};
        const code c = mdb_cursor_get(cursor_, &key, &v, op);
        if (c == 0) out = {to_view(key), to_view(v)};
        return c;
    }
    MDB_cursor* cursor_ = nullptr;
};

} // namespace coppice::lmdb
