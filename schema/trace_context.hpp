// The caller's place in a trace, as it travels with a job from submit to executor. Source: W3C Trace Context,
// section 3.2 (https://www.w3.org/TR/trace-context/#traceparent-header).
#pragma once

#include <optional>
#include <string_view>

namespace coppice {

// In the text that was read.
struct trace_parts {
    std::string_view trace;  // 32 hexadecimal digits
    std::string_view parent; // 16
    bool sampled = false;    // whether the caller records it
};

// Of a traceparent of version 00, in lower case, neither trace nor parent all zeros; nothing: it is none.
std::optional<trace_parts> read_traceparent(std::string_view text);

inline bool is_traceparent(std::string_view text) { return read_traceparent(text).has_value(); }

} // namespace coppice
