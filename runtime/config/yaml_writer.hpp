// Private to documents: JSON as block YAML that strict_yaml, and any YAML 1.1 or 1.2 reader, reads back as the
// same.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace coppice {

// An object or array, `indent` spaces in. Its depth is the caller's to bound.
std::string to_yaml_text(const nlohmann::ordered_json& value, std::size_t indent = 0);

// `text` as a YAML scalar that is a string: plain where every reader agrees that it is one, else in double quotes.
std::string yaml_string(std::string_view text);

} // namespace coppice
