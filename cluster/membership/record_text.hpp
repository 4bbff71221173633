// Texts that stand in records and keys of the control store, each in its one spelling. Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "schema/time.hpp"

namespace coppice {

// 0 to `max` in decimal, without a sign, blanks or leading zeros.
inline std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || at != end || number > max || (text.size() > 1 && text.front() == '0'))
        return std::nullopt;
    return number;
}

inline bool is_lower_hex(std::string_view text, std::size_t size) {
    if (text.size() != size) return false;
    for (const char c : text)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    return true;
}
inline bool is_sha256_hex(std::string_view text) { return is_lower_hex(text, 64); }

// As to_rfc3339 writes it.
inline bool is_canonical_time(std::string_view text) {
    const auto time = parse_rfc3339(text);
    return time && to_rfc3339(*time) == text;
}

} // namespace coppice
