#include "runtime/results/object_store.hpp"

#include <algorithm>

namespace coppice {

bool is_object_name(std::string_view name) {
    constexpr std::size_t size_max = 200;
    if (name.empty() || name.size() > size_max || name.front() == '/' || name.back() == '/') return false;
    char before = '/';
    for (const char c : name) {
        const bool known = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '/';
        // No part is empty, ".", ".." or hidden.
        if (!known || (before == '/' && (c == '/' || c == '.'))) return false;
        before = c;
    }
    return true;
}

} // namespace coppice
