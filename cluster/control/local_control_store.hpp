// The control store of a single node: rows in table::control of an LMDB (or memory) store.
//
// One thread of its own does everything, in the order of the calls; commits that wait together share one fsync.
// Changes are kept in memory for a while (limits::control_history_*), so that a watch can resume within them;
// before them, and after a restart, it starts anew. A lease lives as long as this object: what the leases of an
// earlier life carried is erased when the store is opened, and `lost` is never called.
#pragma once

#include "cluster/control/control_rows.hpp"

namespace coppice {

// `rows` is of a store with table::control, and outlives what is made. Errors: those of the store.
expected<std::unique_ptr<control_store>> make_local_control_store(std::shared_ptr<control_rows> rows);

} // namespace coppice
