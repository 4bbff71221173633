// The caller's place in a trace, as it travels with a job from submit to executor. Source: W3C Trace Context,
// section 3.2 (https://www.w3.org/TR/trace-context/#traceparent-header).
#pragma once

#include <string_view>

namespace coppice {

// Whether `text` is a traceparent of version 00: lower-case hexadecimal, neither trace nor parent all zeros.
bool is_traceparent(std::string_view text);

} // namespace coppice
