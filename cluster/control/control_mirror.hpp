// A node's copy of a part of the control store, so that it starts and serves while the control store is away. It
// says as of which revision and which moment it speaks.
//
// Kept in memory, and in table::control_mirror when it is given rows; what was written is the start after a
// restart, and only what changed since is asked for. A copy that cannot be written (a full disk) goes on in memory,
// says so in its status, and is written whole as soon as that works.
//
// Invariants: the copy is what the store held at some revision, never a mixture; it goes back only when the store
// did (restored from a backup); what is on disk is such a copy too.
//
// Threads: any. `changed` is called on the store's thread, as are the writes: they cost it an fsync.
#pragma once

#include "cluster/control/control_rows.hpp"
#include "schema/time.hpp"

namespace coppice {

struct control_mirror_options {
    control_store* store = nullptr;     // outlives the mirror
    std::string prefix;                 // mirrors that share rows have prefixes of which none begins with another
    std::shared_ptr<control_rows> rows; // null: in memory only
    // What is another now, in order of keys after a start anew, else of revisions. A start from disk is not a
    // change.
    std::function<void(const std::vector<control_change>&, control_position)> changed;
    std::function<instant()> clock = wall_clock_now;
};

struct control_mirror_status {
    bool filled = false; // false: nothing was ever heard or read; the copy is empty for want of knowledge
    bool connected = false;
    control_position at;
    instant as_of = never;   // the store was last known to say nothing newer; age is the time since
    std::string why;         // it is not connected
    std::string not_written; // why the copy on disk is behind; empty: it is not
};

class control_mirror {
  public:
    // Reads what was written and begins to watch; waits for nobody. Errors: those of `watch`. A copy on disk that
    // cannot be read counts as none.
    static expected<std::unique_ptr<control_mirror>> start(control_mirror_options options);
    // Waits for a call of `changed` that is under way, so it may not be made from one; nothing is called after it.
    ~control_mirror();
    control_mirror(const control_mirror&) = delete;
    control_mirror& operator=(const control_mirror&) = delete;

    std::optional<control_entry> get(std::string_view key) const;
    // All entries that begin with `prefix`, and the position that they are of.
    control_listing list(std::string_view prefix) const;
    control_mirror_status status() const;

  private:
    class copy;
    explicit control_mirror(std::shared_ptr<copy> c) : copy_(std::move(c)) {}

    const std::shared_ptr<copy> copy_;
    control_store* store_ = nullptr;
    control_watch watch_ = 0;
};

} // namespace coppice
