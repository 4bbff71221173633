// Composite keys: fixed-width, big-endian, so that they compare as tuples do.
#pragma once

#include <array>
#include <cassert>
#include <cstring>

#include "persistence/tables.hpp"
#include "schema/ids.hpp"

namespace coppice {

// A key under construction, on the stack, of at most `Size` bytes.
template <std::size_t Size>
class basic_key {
  public:
    basic_key& u8(std::uint8_t v) { return be(v, 1); }
    basic_key& u16(std::uint16_t v) { return be(v, 2); }
    basic_key& u32(std::uint32_t v) { return be(v, 4); }
    basic_key& u64(std::uint64_t v) { return be(v, 8); }
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
    basic_key& be(std::uint64_t v, std::size_t width) {
        assert(size_ + width <= data_.size());
        for (std::size_t i = width; i-- > 0; v >>= 8) data_[size_ + i] = static_cast<std::byte>(v & 0xff);
        size_ += width;
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
    std::uint8_t u8() { return static_cast<std::uint8_t>(be(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(be(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(be(4)); }
    std::uint64_t u64() { return be(8); }
    job_id id() {
        const std::uint64_t high = be(8);
        return job_id::from_halves(high, be(8));
    }
    bool ok() const { return ok_; }

  private:
    std::uint64_t be(std::size_t width) {
        if (rest_.size() < width) {
            ok_ = false;
            return 0;
        }
        std::uint64_t v = 0;
        for (std::size_t i = 0; i < width; ++i) v = v << 8 | static_cast<std::uint64_t>(rest_[i]);
        rest_ = rest_.subspan(width);
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
