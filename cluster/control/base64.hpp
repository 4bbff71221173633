// Base64 as etcd's JSON gateway writes bytes: the standard alphabet, padded, in one line (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coppice {

std::string to_base64(std::string_view plain);
// Empty unless `text` is exactly what to_base64 gives for some bytes.
std::optional<std::string> from_base64(std::string_view text);

} // namespace coppice
