// A node's disk: a memory store that fails as disks do. The process may be killed before or after any commit; the
// disk may be full for a while; and, for a planted bug, the newest commits may be gone after a crash, as if nobody
// had waited for the disk.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "persistence/memory_store.hpp"

namespace coppice::testing {

// What a kill -9 looks like from inside: unwinds to the simulation, which takes the node down.
struct process_killed {};

class sim_disk final : public store {
  public:
    sim_disk() : rows_(make_memory_store()) {}
    std::unique_ptr<write_transaction> begin_write() override;
    std::unique_ptr<read_transaction> begin_read() override { return rows_->begin_read(); }
    store_stats stats() override { return rows_->stats(); }
    bool has_room() override { return !full && rows_->has_room(); }
    // The power is gone: with it the last commits, when the disk forgets.
    void crash();

    bool full = false; // commits fail with storage_full
    // Asked at every commit; empty: lives on, false: killed before it, true: killed after it.
    std::function<std::optional<bool>()> kill;
    bool killed = false;     // by the last commit, though something in the process may have caught that
    bool closed = false;     // the process is gone: whatever is left of it writes nothing
    std::size_t forgets = 0; // commits that a crash undoes: no sound disk

  private:
    friend class sim_write;
    struct row_before {
        table where{};
        bytes key;
        std::optional<bytes> value;
    };
    std::unique_ptr<store> rows_;
    std::deque<std::vector<row_before>> undo_; // of the newest `forgets` commits
};

} // namespace coppice::testing
