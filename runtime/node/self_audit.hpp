// The node's own audit: every so often a thread of low priority walks the store (actors/jobs/store_check.hpp). What
// does not fit is logged, counted in the metrics and told by `coppice doctor`; nothing is repaired unasked.
//
// A walk holds a snapshot of one shard for as long as it looks at it, and pages that are freed meanwhile are reused
// only afterwards.
#pragma once

#include <mutex>

#include "actors/jobs/store_check.hpp"
#include "persistence/background_walk.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

class self_audit {
  public:
    // `every` 0: never. The first walk is after `every`, or a minute if that is sooner: what a crash or an upgrade
    // left is to be seen soon. `data` outlives it.
    self_audit(store& data, std::size_t shards, milliseconds every, logger log);
    // Any thread.
    audit_summary newest() const;

  private:
    void look(const std::atomic<bool>& stop);

    store& data_;
    std::size_t shards_;
    logger log_;
    mutable std::mutex mutex_;
    audit_summary newest_;
    background_walk walk_; // last: it uses the others, and ends one that is under way
};

} // namespace coppice
