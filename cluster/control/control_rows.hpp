// Control entries as rows of a store: how they are written, and the one writer that several owners share.
//
// A row: key -> revision (8 bytes), lease (8 bytes), value. Rows come from a disk, so reading one checks its size.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "cluster/control/control_store.hpp"
#include "persistence/tables.hpp"

namespace coppice {

void put_entry(tables& to, table t, const control_entry& entry);
// Empty when the row is too short to be one.
std::optional<control_entry> entry_of(bytes_view key, bytes_view value);

// A number under a name in `meta`; 0 when there is none.
std::uint64_t meta_number(read_tables& from, std::string_view name);
void put_meta_number(tables& to, std::string_view name, std::uint64_t number);

// All rows of `t` whose key begins with `prefix`, in order. payload_too_large beyond the bounds of a list;
// store_damaged.
expected<std::vector<control_entry>> entries_of(read_tables& from, table t, std::string_view prefix);

// A store takes one write transaction at a time: whoever shares one writes through the same object of this class.
// Any thread; writers wait for one another. The store must outlive it.
class control_rows {
  public:
    explicit control_rows(store& rows) : rows_(rows) {}

    // Durable when it gives ok. When `change` fails, or the store does, nothing was changed.
    expected<void> write(const std::function<expected<void>(tables&)>& change);
    // unavailable when the store gives no snapshot.
    expected<std::unique_ptr<read_transaction>> read();

  private:
    store& rows_;
    std::mutex writing_;
};

} // namespace coppice
