// The format of a store: a number in its table `meta`, and the way from an older number to this program's.
#pragma once

#include "persistence/tables.hpp"

namespace coppice {

// Takes a store from format `from` to `from + 1`, within the transaction that also writes the new number.
struct migration {
    std::uint32_t from;
    expected<void> (*run)(tables&);
};

// For a new store, writes `version`; an older one is migrated step by step. store_format_newer when the store is
// ahead of `version`; store_damaged when it has no number, or one that no migration starts from. The caller
// commits.
expected<void> settle_format(tables& t, bool is_new, std::uint32_t version, std::span<const migration> migrations);

} // namespace coppice
