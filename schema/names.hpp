// What a declared thing may be called: a DNS label (RFC 1123), as Kubernetes has it, so that a name can stand in a
// host name, a URL and a metric's label as it is.
#pragma once

#include <string_view>

#include "schema/limits.hpp"

namespace coppice {

// 1 to limits::name_size_max of a-z, 0-9 and "-", which neither begins nor ends it.
constexpr bool is_name(std::string_view text) {
    if (text.empty() || text.size() > limits::name_size_max) return false;
    if (text.front() == '-' || text.back() == '-') return false;
    for (const char c : text)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
    return true;
}

} // namespace coppice
