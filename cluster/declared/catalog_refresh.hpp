// "Is it really not declared?" A node's copy of what is declared runs behind the control store by a moment, so a
// name that is not known here may have been declared at another node just now. Whoever is about to refuse one asks
// here first, and looks once more when told.
//
// One reading of the store is under way at a time, however many ask: who comes while it is takes part in the next
// one, for the answer of this one may be older than their question.
//
// Used by the edge of a node in a cluster, one a node. Threads: any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cluster/control/control_store.hpp"

namespace coppice {

class catalog_refresh : public std::enable_shared_from_this<catalog_refresh> {
  public:
    using done_function = std::function<void()>;

    // `store` outlives it.
    explicit catalog_refresh(control_store& store) : store_(store) {}

    // Everything that was declared anywhere before this call is in force here, or it cannot be known (the control
    // store is away, too many ask): `done` is told so, once, on any thread or this one. It may take as long as this
    // node's watch is broken, so the asker sets its own bound.
    void ask(done_function done);
    // What the copy held at this revision is on the board now.
    void in_force(std::uint64_t revision);

  private:
    using waiters = std::vector<done_function>;

    void read();
    void was_read(std::uint64_t revision); // 0: not known, or nothing was ever declared

    control_store& store_;
    std::mutex mutex_; // never held while somebody is told
    std::uint64_t in_force_ = 0;
    bool reading_ = false;
    waiters asked_;                                        // before the reading under way began
    waiters next_;                                         // since then
    std::multimap<std::uint64_t, done_function> awaiting_; // that this revision is in force
};

} // namespace coppice
