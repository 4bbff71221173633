// Composite keys: fixed-width, big-endian, so that they compare as tuples do.
#pragma once

#include <array>
#include <cassert>
#include <cstring>

#include "persistence/tables.hpp"
#include "schema/big_endian.hpp"
#include "schema/ids.hpp"

namespace coppice {

// A key under construction, on the stack, of at most `Size` bytes.
template <std::size_t Size>
class basic_key {
  public:
    basic_key& u8(std::uint8_t v) { return number(v); }
    basic_key& u16(std::uint16_t v) { return number(v); }
    basic_key& u32(std::uint32_t v) { return number(v); }
    basic_key& u64(std::uint64_t v) { return number(v); }
    basic_key& id(const job_id& v) { return raw(std::as_bytes(std::span{v.bytes})); }
    basic_key& raw(bytes_view v) {
        assert(size_ + v.size() <= data_.size());
        std::memcpy(data_.data() + size_, v.data(), v.size());
        size_ += v.size();
        return *this;
    }
    bytes_view view() const { return {data_.data(), size_}; }
    operator bytes_view() const { return view(); } // NOLINT: a key is used where its bytes are

  private:
    template <class Number>
    basic_key& number(Number v) {
        assert(size_ + sizeof v <= data_.size());
        store_big_endian(data_.data() + size_, v);
        size_ += sizeof v;
        return *this;
    }
    std::array<std::byte, Size> data_;
    std::size_t size_ = 0;
};
using row_key = basic_key<64>; // holds the longest key of any table but those that carry a text

// Takes a key apart, in the order it was written. Reading past the end gives zeros and clears `ok`.
class key_reader {
  public:
    explicit key_reader(bytes_view v) : rest_(v) {}
    std::uint8_t u8() { return number<std::uint8_t>(); }
    std::uint16_t u16() { return number<std::uint16_t>(); }
    std::uint32_t u32() { return number<std::uint32_t>(); }
    std::uint64_t u64() { return number<std::uint64_t>(); }
    job_id id() {
        const std::uint64_t high = u64();
        return job_id::from_halves(high, u64());
    }
    bool ok() const { return ok_; }

  private:
    template <class Number>
    Number number() {
        if (rest_.size() < sizeof(Number)) {
            ok_ = false;
            return 0;
        }
        const auto v = load_big_endian<Number>(rest_.data());
        rest_ = rest_.subspan(sizeof(Number));
        return v;
    }
    bytes_view rest_;
    bool ok_ = true;
};

// Whether `k` starts with `prefix`: the usual end of a range.
inline bool has_prefix(bytes_view k, bytes_view prefix) {
    return k.size() >= prefix.size() && std::memcmp(k.data(), prefix.data(), prefix.size()) == 0;
}

} // namespace coppice
