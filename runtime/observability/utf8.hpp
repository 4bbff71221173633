// UTF-8 from whoever sent it (RFC 3629): no surrogates, nothing overlong, nothing beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coppice {

inline constexpr char32_t utf8_replacement = 0xfffd;
inline constexpr std::string_view utf8_replacement_text = "\xef\xbf\xbd";

struct utf8_character {
    char32_t value;
    std::size_t size; // bytes taken, at least 1
};

// The character at `at`, which must be less than the size. A byte that begins no valid sequence counts as U+FFFD by
// itself.
utf8_character decode_utf8(std::string_view text, std::size_t at);

// `text` with every such byte replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// The longest prefix of at most `size` bytes that ends between two characters (of valid UTF-8).
std::string_view utf8_prefix(std::string_view text, std::size_t size);

} // namespace coppice
