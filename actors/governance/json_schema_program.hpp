// What a JSON Schema is compiled to: one node a subschema, holding its keywords by the kind of value that they
// speak of, so that a value meets only the rules of its kind. References are indexes; the whole is one immutable
// block.
//
// Invariants, once compiled: every node_index is no_node or below nodes.size(); no cycle leads through in-place
// edges (`$ref`, allOf, ...) alone; no divisor is zero.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/governance/json_number.hpp"
#include "actors/governance/json_schema_pattern.hpp"

namespace coppice::json_schema {

using nlohmann::json;

using node_index = std::uint32_t;
inline constexpr node_index no_node = std::numeric_limits<node_index>::max();

enum class dialect : std::uint8_t { draft_07, draft_2020_12 };

using type_set = std::uint8_t;
inline constexpr type_set type_null = 1, type_boolean = 2, type_object = 4, type_array = 8, type_number = 16,
                          type_string = 32, type_integer = 64, type_any = 127;

struct number_rules {
    std::optional<json> minimum, maximum, exclusive_minimum, exclusive_maximum;
    std::optional<json> multiple_of;
    decimal_magnitude divisor; // of multiple_of
};

struct string_rules {
    std::optional<std::uint64_t> length_min, length_max; // code points
    const pattern* matches = nullptr;
};

struct array_rules {
    std::vector<node_index> prefix;
    node_index rest = no_node; // items after the prefix
    std::string_view prefix_keyword = "prefixItems", rest_keyword = "items";
    node_index contains = no_node;
    std::uint64_t contains_min = 1;
    std::optional<std::uint64_t> contains_max;
    std::optional<std::uint64_t> size_min, size_max;
    bool unique = false;
    node_index unevaluated = no_node;
};

struct property_rule {
    std::string name;
    node_index schema = no_node; // no_node: only required
    bool required = false;
};

struct dependency_rule {
    std::string name;
    std::vector<std::string> required;
    node_index schema = no_node;
    std::string_view keyword;
};

struct object_rules {
    std::vector<property_rule> properties; // by name
    std::size_t required_count = 0;
    std::vector<std::pair<const pattern*, node_index>> patterns;
    node_index additional = no_node;
    node_index names = no_node;
    std::optional<std::uint64_t> size_min, size_max;
    std::vector<dependency_rule> dependencies;
    node_index unevaluated = no_node;
};

// Subschemas that speak of the same value.
struct in_place_rules {
    node_index ref = no_node;
    node_index dynamic_ref = no_node; // where it leads unless an outer resource has the anchor too
    std::string dynamic_anchor;       // empty: dynamic_ref is as ref
    std::vector<node_index> all_of, any_of, one_of;
    node_index negated = no_node;
    node_index condition = no_node, consequence = no_node, alternative = no_node;
};

struct choice_rules {
    std::string_view keyword; // "const" or "enum"
    std::vector<json> values;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> by_hash; // sorted; empty when there are few values
};

enum class verdict : std::uint8_t { by_rules, always, never };

struct node {
    // Its JSON Pointer is its parent's and `step`; kept so because pointers in full could take size^2.
    node_index parent = no_node;
    std::string step;
    std::uint32_t resource = 0;
    verdict outcome = verdict::by_rules;
    type_set types = type_any;
    bool tracks = false; // has unevaluatedItems or unevaluatedProperties
    std::vector<choice_rules> choices;
    std::unique_ptr<number_rules> number;
    std::unique_ptr<string_rules> string;
    std::unique_ptr<array_rules> array;
    std::unique_ptr<object_rules> object;
    std::unique_ptr<in_place_rules> in_place;
};

// A part of the document with its own `$id`; the first is the document itself.
struct resource {
    std::string uri;
    const json* root = nullptr; // while compiling
    std::map<std::string, node_index, std::less<>> dynamic_anchors;
};

struct program {
    dialect language = dialect::draft_2020_12;
    node_index root = 0;
    std::vector<node> nodes;
    std::vector<resource> resources;
    std::vector<std::unique_ptr<const pattern>> patterns;
    std::string text; // the schema, as it came

    std::string pointer(node_index at) const;
};

// "integer or null".
std::string type_names(type_set types);

} // namespace coppice::json_schema
