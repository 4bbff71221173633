#include "runtime/config/yaml_value.hpp"

#include <algorithm>

#include "runtime/config/yaml_text.hpp"

namespace coppice {

namespace {

// Takes digits off the front; how many there were.
std::size_t take_digits(std::string_view& text) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
    const auto count = static_cast<std::size_t>(end - text.begin());
    text.remove_prefix(count);
    return count;
}

bool take_sign(std::string_view& text) {
    if (text.empty() || (text.front() != '-' && text.front() != '+')) return false;
    text.remove_prefix(1);
    return true;
}

bool is_floating(std::string_view text) {
    take_sign(text);
    std::size_t digits = take_digits(text);
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        digits += take_digits(text);
    }
    if (digits == 0) return false;
    if (text.empty()) return true;
    if (text.front() != 'e' && text.front() != 'E') return false;
    text.remove_prefix(1);
    take_sign(text);
    return take_digits(text) > 0 && text.empty();
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

template <class Digit>
bool is_based(std::string_view text, std::string_view prefix, Digit digit) {
    if (!text.starts_with(prefix) || text.size() == prefix.size()) return false;
    text.remove_prefix(prefix.size());
    return std::all_of(text.begin(), text.end(), digit);
}

} // namespace

scalar_type type_of(const yaml_value& scalar) {
    const std::string_view text = scalar.text;
    if (scalar.quoted || text.empty()) return scalar_type::string;
    if (is_one_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return scalar_type::boolean;
    std::string_view rest = text;
    take_sign(rest);
    const bool zero_first = rest.size() > 1 && rest[0] == '0' && is_digit(rest[1]);
    if (!rest.empty() && std::all_of(rest.begin(), rest.end(), is_digit))
        return zero_first ? scalar_type::leading_zero : scalar_type::integer;
    if (is_one_of(rest, {".inf", ".Inf", ".INF"}) || is_one_of(text, {".nan", ".NaN", ".NAN"}))
        return scalar_type::infinite;
    if (is_based(text, "0o", [](char c) { return c >= '0' && c <= '7'; })) return scalar_type::octal;
    if (is_based(text, "0x",
                 [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }))
        return scalar_type::hexadecimal;
    if (is_floating(text)) return zero_first ? scalar_type::leading_zero : scalar_type::floating;
    return scalar_type::string;
}

std::string shown(const yaml_value& value) {
    switch (value.kind) {
    case yaml_kind::null:
        return "nothing";
    case yaml_kind::sequence:
        return "a list";
    case yaml_kind::mapping:
        return "a mapping";
    case yaml_kind::scalar:
        break;
    }
    return shown(std::string_view{value.text});
}

} // namespace coppice
