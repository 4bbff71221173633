// A store on LMDB: one file, one writer, readers that never wait for it. A commit is durable when it returns.
//
// A full map or disk is a state, not an end: the transaction that met it fails with storage_full and changes
// nothing, and a later one works when there is room again, without a reopen by the caller. Where LMDB itself needs
// one (its meta page could not be written) the store does it, as soon as no reader is out.
//
// Invariants: what `commit` acknowledged is there after any crash; what it refused is not. When even that cannot be
// told (meta page and every try to take it back failed), the store says store_damaged and takes no more writes.
#pragma once

#include <filesystem>

#include "persistence/store_format.hpp"
#include "persistence/tables.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct lmdb_options {
    std::filesystem::path file; // in a directory that exists; LMDB's lock file stands beside it, with "-lock" added
    std::size_t map_bytes = limits::map_size_default; // the most it may grow to; address space, not disk
    std::span<const table> tables;                    // those of this environment; `meta` is always among them
    std::uint32_t format_version = 1;
    std::span<const migration> migrations = {}; // from older formats; need not outlive the call
};

// Opens, or creates when there is no file. store_damaged: not a store, or one that is broken; store_format_newer;
// storage_full; invalid_argument: no such directory, no permission. One process at a time (data_directory sees to
// it). A table that the store was not opened with is a bug: std::logic_error.
//
// begin_read throws std::runtime_error when LMDB gives no snapshot: an empty one would be a lie. A reader that
// meets a broken page gives nothing from then on, and the store takes no more writes.
expected<std::unique_ptr<store>> open_lmdb_store(const lmdb_options& options);

} // namespace coppice
