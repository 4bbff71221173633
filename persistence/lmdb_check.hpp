// Looks at a store's file before LMDB maps it. LMDB trusts its pages: a flipped bit in one can end the process by
// an assertion or a fault, a file cut short by SIGBUS. So the trees are walked first, with plain reads that cannot
// fault.
//
// Checked: the meta page that LMDB will choose; of every page reached: its number, kind, bounds, that it lies
// within the file and is reached once; depth, counts, and order of keys; that no page in use is on the free list.
// What a value says is not (no checksums: LMDB 0.9 has none, and records check themselves). Above
// limits::store_check_pages_max pages the leaves' insides are not read, so damage there, and cut overflow pages,
// show only when LMDB meets them.
//
// Source: the page layout of LMDB 0.9 (data version 1), little-endian, 64-bit: mdb.c, MDB_page, MDB_node, MDB_db.
#pragma once

#include <filesystem>

#include "schema/errc.hpp"

namespace coppice {

// ok for a file that is absent or empty: LMDB makes a store of it. store_damaged says where. No environment may be
// writing to it.
expected<void> check_lmdb_file(const std::filesystem::path& file, std::uint64_t leaves_up_to_pages);

} // namespace coppice
