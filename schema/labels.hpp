// Labels of jobs: "name=value", given at the submit, to search by.
#pragma once

#include <string_view>

#include "schema/limits.hpp"

namespace coppice {

constexpr std::string_view label_name(std::string_view label) { return label.substr(0, label.find('=')); }

// 1 to limits::name_size_max of a-z, 0-9 and "-_./".
constexpr bool is_label_name(std::string_view text) {
    if (text.empty() || text.size() > limits::name_size_max) return false;
    for (const char c : text)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/'))
            return false;
    return true;
}

// A name, "=", and up to limits::label_value_size_max bytes without control characters.
constexpr bool is_label(std::string_view text) {
    const std::string_view name = label_name(text);
    if (name.size() == text.size() || !is_label_name(name)) return false;
    const std::string_view value = text.substr(name.size() + 1);
    for (const char c : value)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    return value.size() <= limits::label_value_size_max;
}

} // namespace coppice
