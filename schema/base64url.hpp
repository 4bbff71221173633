// base64url without padding (RFC 4648, section 5; RFC 7515, section 2): how every part of a token is written.
//
// Strict, so that one sequence of bytes has one text only: no padding, no whitespace, no character of another
// alphabet, no length of 4n + 1, and the bits that the last character has to spare must be zero. Without the last
// rule a token could be altered and still verify.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coppice {

std::string base64url_encode(std::string_view bytes);

// The bytes, or nothing when `text` is not the canonical encoding of any.
std::optional<std::string> base64url_decode(std::string_view text);

} // namespace coppice
