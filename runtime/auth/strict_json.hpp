// Reading a JSON object from whoever sent it: RFC 8259 with nothing left to interpretation. A member named twice is
// refused (two readers could take different ones: RFC 8725, 2.4), as is nesting beyond limits::json_depth_max and
// invalid UTF-8. The caller has bounded the size.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace coppice {

// The object, or nothing when `text` is anything else.
std::optional<nlohmann::json> parse_strict_object(std::string_view text);

// The member of that name if it is there and a string, else nullptr. Lives as long as `object`.
const std::string* string_member(const nlohmann::json& object, const char* name);

} // namespace coppice
