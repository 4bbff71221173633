// Numbers as bytes in the order in which they compare.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace coppice {

template <std::unsigned_integral Number>
Number to_big_endian(Number value) {
    static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);
    if constexpr (std::endian::native == std::endian::big || sizeof(Number) == 1) return value;
    if constexpr (sizeof(Number) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(Number) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(Number) == 8) return __builtin_bswap64(value);
}

// The first sizeof(Number) bytes at `from`.
template <std::unsigned_integral Number>
Number load_big_endian(const void* from) {
    Number value;
    std::memcpy(&value, from, sizeof value);
    return to_big_endian(value);
}

template <std::unsigned_integral Number>
void store_big_endian(void* to, Number value) {
    value = to_big_endian(value);
    std::memcpy(to, &value, sizeof value);
}

} // namespace coppice
