// Moves what a single node has declared into the control store of a cluster.
//
// The target must be empty. A marker key (control_migration_key) makes it ours: every transaction compares the
// marker's revision and writes it anew with the last key that was copied, so two migrations cannot mix, and one
// that was cut off goes on where it was when it is called again with the same source. The last transaction erases
// the marker, after the copy was compared with the source. While the marker is there, nobody else should use the
// target.
//
// What a lease carries is not copied: it says who is there, not what was declared.
#pragma once

#include "cluster/control/control_store.hpp"

namespace coppice {

inline constexpr std::string_view control_migration_key = "migration";

struct control_migration {
    std::size_t copied = 0;  // entries, in this call
    std::size_t present = 0; // entries that an earlier call had copied
};

// Blocks until done; from no callback of either store. Errors: already_exists: the target holds something that is
// not of this migration; conflict: somebody else writes to the target; and those of both stores, after which it may
// be called again.
expected<control_migration> migrate_control(control_store& from, control_store& into);

} // namespace coppice
