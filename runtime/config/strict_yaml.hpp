// YAML text to a tree of values, strictly: what another reader could understand differently is refused, never
// guessed. yaml-cpp does the scanning; its event interface is used, for its node interface loses duplicate keys and
// crashes on recursive aliases.
//
// Refused, each with its place: duplicate keys (both lines named), anchors and aliases, merge keys, tags,
// directives, keys that are not strings, keys without a value sign, empty elements in [] and {}, a second document
// that no "---" begins, a quote that never closes, NUL in a string, depth over limits::json_depth_max, and all that
// yaml_text.hpp names. Documents that say nothing (between two "---") are left out.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/config/document_errors.hpp"
#include "runtime/config/yaml_value.hpp"

namespace coppice {

// The documents of `text`, in order, as far as they could be read; errors are added to `errors` under the name
// `file`. Where errors were added the documents are incomplete: good for finding more errors, not for use.
// Never throws but std::bad_alloc. Any thread.
std::vector<yaml_value> parse_yaml(std::string_view text, std::string_view file, document_errors& errors);

} // namespace coppice
