// A hexadecimal digit as a number, for what a schema writes in escapes.
#pragma once

namespace coppice::json_schema {

// 0 to 15; -1: `c` is no hexadecimal digit.
inline int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace coppice::json_schema
