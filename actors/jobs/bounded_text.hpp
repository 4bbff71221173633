// Texts from outside, cut to a bound: where it is cut, it says so.
#pragma once

#include <string>
#include <string_view>

namespace coppice {

// At most `most` bytes (8 or more) of `text`; a longer one is cut where a UTF-8 character starts, and ends in
// "...".
inline std::string bounded_text(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string{text};
    std::size_t end = most - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string{text.substr(0, end)} + "...";
}

} // namespace coppice
