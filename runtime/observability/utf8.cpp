#include "runtime/observability/utf8.hpp"

#include <array>
#include <cstdint>

namespace coppice {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

} // namespace

utf8_character decode_utf8(std::string_view text, std::size_t at) {
    constexpr utf8_character broken{utf8_replacement, 1};
    const auto first = static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]));
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xc2 || first > 0xf4 || at + size > text.size()) return broken;
    std::uint32_t value = first & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if (!is_continuation(text[at + i])) return broken;
        value = value << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
    }
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < smallest[size] || value > 0x10ffff || surrogate) return broken;
    return {value, size};
}

std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const utf8_character c = decode_utf8(text, at);
        valid += c.value == utf8_replacement ? utf8_replacement_text : text.substr(at, c.size);
        at += c.size;
    }
    return valid;
}

std::string_view utf8_prefix(std::string_view text, std::size_t size) {
    if (text.size() <= size) return text;
    for (int back = 0; back < 3 && size > 0 && is_continuation(text[size]); ++back) --size;
    return text.substr(0, size);
}

} // namespace coppice
