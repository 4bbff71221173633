// Tables that remember what was written: a digest of every put and erase of an entry, in order.
// Two replicas that applied the same entries have the same digest, unless apply gave another result on one of them:
// that is what it is for. It costs a multiplication for eight bytes written. Not cryptographic; a damaged disk is
// LMDB's and store_check's affair.
#pragma once

#include "persistence/tables.hpp"

namespace coppice {

class digest_tables final : public tables {
  public:
    // `to` outlives this. `layout`: of the rows that are written (row_layout.hpp).
    digest_tables(tables& to, std::uint64_t layout) : to_(to), digest_(layout) {}

    std::optional<bytes_view> get(table t, bytes_view key) override { return settled().get(t, key); }
    std::optional<row> seek(table t, bytes_view from) override { return settled().seek(t, from); }
    std::optional<row> seek_before(table t, bytes_view before) override { return settled().seek_before(t, before); }
    std::optional<row> next(table t) override { return settled().next(t); }
    void put(table t, bytes_view key, bytes_view value) override;
    std::span<std::byte> reserve(table t, bytes_view key, std::size_t size) override;
    bool erase(table t, bytes_view key) override;
    errc status() const override { return to_.status(); }

    std::uint64_t digest() {
        settled();
        return digest_;
    }

  private:
    // What was reserved has been filled in by the next call.
    tables& settled();
    void add(std::uint8_t what, table t, bytes_view key);
    void add(bytes_view data);

    tables& to_;
    std::uint64_t digest_;
    std::span<const std::byte> reserved_;
};

} // namespace coppice
