// JSON Pointer (RFC 6901): "/a~1b/0" names a place in a JSON document by its steps; "" is the whole.
// Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coppice {

// "/" and the key with "~" and "/" escaped.
std::string pointer_step(std::string_view key);

// The steps of a pointer, unescaped; nothing when it is not one.
std::optional<std::vector<std::string>> pointer_steps(std::string_view pointer);

// The member or item of `value` that one step names; null when there is none. The result lives as long as `value`.
const nlohmann::json* follow_step(const nlohmann::json& value, const std::string& step);

} // namespace coppice
