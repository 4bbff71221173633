// From a node alone into a cluster: what it has declared, with its numbers and versions, becomes the cluster's.
//
// A node alone keeps documents as rows of table::declared; a cluster keeps them under `/declared/` of its control
// store. The rows are written once more, in that form, beside the node's own (table::control), and from there
// migrate_control copies them: so a migration that was cut off goes on where it was.
#pragma once

#include "cluster/control/migrate_control.hpp"
#include "persistence/tables.hpp"

namespace coppice {

// `from`: the node's own store, with the tables meta, declared and control, which nobody else has open. Blocks.
// Errors: not_found when nothing is declared; invalid_argument for a row that a cluster would not read; those of
// migrate_control, after which it may be called again.
expected<control_migration> migrate_declared(store& from, control_store& into);

} // namespace coppice
