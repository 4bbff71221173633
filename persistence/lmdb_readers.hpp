// The read transactions of one LMDB environment: a bounded set, kept and renewed rather than begun anew (a renewal
// costs no lock and no allocation in LMDB). When all are in use, the next caller waits for one to end.
//
// Thread-safe. A reader belongs to its taker until it is given back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "persistence/lmdb_rows.hpp"

namespace coppice {

struct lmdb_reader {
    explicit lmdb_reader(lmdb::transaction t, const lmdb_tables& tables) : txn(std::move(t)), rows(txn, tables) {}
    lmdb_reader(const lmdb_reader&) = delete;
    lmdb_reader& operator=(const lmdb_reader&) = delete;
    ~lmdb_reader() { rows.close(); }

    lmdb::transaction txn;
    lmdb_rows rows;
};

class lmdb_readers {
  public:
    // Both outlive the readers; `tables` may change while drained.
    lmdb_readers(lmdb::environment& env, const lmdb_tables& tables) : env_(env), tables_(tables) {}

    // A reader with a snapshot of now, or LMDB's number why not. Waits while limits::store_readers_max are out, or
    // while the environment is drained; an environment that must be opened anew (MDB_PANIC) is waited for once, for
    // limits::reader_age_max.
    lmdb::code take(std::unique_ptr<lmdb_reader>& out);
    void give_back(std::unique_ptr<lmdb_reader> reader);

    // Lets no reader begin, and waits for all to end, at most this long. When true: none is left and none begins
    // until resume. When false: as before.
    bool drain(std::chrono::milliseconds at_most);
    void resume();

  private:
    lmdb::code take_locked(std::unique_lock<std::mutex>& lock, std::unique_ptr<lmdb_reader>& out);

    lmdb::environment& env_;
    const lmdb_tables& tables_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::unique_ptr<lmdb_reader>> idle_;
    std::size_t out_ = 0;
    bool drained_ = false;
    std::uint64_t generation_ = 0; // of the environment behind env_
};

} // namespace coppice
