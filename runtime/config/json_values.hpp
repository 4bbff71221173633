// JSON text into the same tree as YAML, and back. The canonical form has no spaces and its object keys in order of
// bytes, so two texts that mean the same are the same text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/config/document_errors.hpp"
#include "runtime/config/yaml_value.hpp"

namespace coppice {

// One JSON text (RFC 8259). Duplicate keys, a depth over `depth_max` and more than limits::yaml_values_max values
// are refused. Values have no place (0:0).
expected<yaml_value> parse_json_value(std::string_view text, std::size_t depth_max);

// The canonical JSON of a tree; plain scalars by YAML's core schema. What has no JSON form (.inf, 010, a number out
// of range) is added to `errors` with its place, under `file` and `path`, and nothing is returned.
std::optional<std::string> to_canonical_json(const yaml_value& value, std::string_view path, std::string_view file,
                                             document_errors& errors);

} // namespace coppice
