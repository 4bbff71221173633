#include "schema/trace_context.hpp"

#include <algorithm>

#include "schema/limits.hpp"

namespace coppice {
namespace {

bool is_hex(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) { return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos; }

} // namespace

std::optional<trace_parts> read_traceparent(std::string_view text) {
    const bool is_one = text.size() == limits::traceparent_size && text.starts_with("00-") &&
                        is_id(text.substr(3, 32)) && text[35] == '-' && is_id(text.substr(36, 16)) &&
                        text[52] == '-' && is_hex(text.substr(53));
    if (!is_one) return std::nullopt;
    const char flags = text[54];
    const int low = flags <= '9' ? flags - '0' : flags - 'a' + 10;
    return trace_parts{text.substr(3, 32), text.substr(36, 16), (low & 1) != 0};
}

} // namespace coppice
