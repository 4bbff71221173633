// The only door for JSON text: it comes in within bounds or not at all, and a refusal says where it went wrong.
//
// nlohmann's parser drives us event by event (its SAX interface, which keeps its own stack on the heap), so that
// depth and number of values are refused as they are met, not after the tree has been built. What it gives is
// therefore safe to walk recursively. Refused besides: bad UTF-8, a key twice in one object (two readers would see
// two documents), numbers beyond double, and integers beyond 64 bits, which would silently become other numbers.
//
// Source: RFC 8259; RFC 7493 (I-JSON) for the refusals. Pure; any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "schema/errc.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct json_bounds {
    std::size_t size_max = limits::document_size_max; // bytes
    std::size_t depth_max = limits::json_depth_max;   // containers inside one another
    std::size_t values_max = limits::json_values_max; // scalars and containers, keys not counted
};

// The value of exactly one JSON text. Fails with `code` (payload_too_large when the text itself is over size_max)
// and a detail like `line 3, column 14: the key "size" is there twice`; columns count bytes from 1.
expected<nlohmann::json> parse_json(std::string_view text, const json_bounds& bounds = {},
                                    errc code = errc::invalid_argument);

// One text for all spellings of a value: no spaces, keys sorted, numbers by json_number's number_text, strings with
// the fewest escapes. After RFC 8785, but for two things: keys sort by UTF-8 bytes, and integers keep all their 64
// bits. Equal texts mean equal values, so a hash of it compares bodies. `value` comes from parse_json: recursion is
// as deep as it is, and its strings are UTF-8.
std::string canonical_json(const nlohmann::json& value);

// A few words for a message to a person, at most some 80 bytes of UTF-8: scalars as JSON (cut), containers by size.
std::string excerpt(const nlohmann::json& value);
// The text as a JSON string, cut at a code point after some 60 bytes.
std::string quoted_excerpt(std::string_view text);

} // namespace coppice
