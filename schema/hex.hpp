// Bytes as lower-case hexadecimal digits, two a byte.
#pragma once

#include <string>
#include <string_view>

namespace coppice {

std::string hex(std::string_view bytes);

} // namespace coppice
