// What a YAML or JSON text says, as a plain tree that knows where each value stood. Nothing in it is shared or
// recursive: anchors do not exist here, keys are strings and unique, and the depth is at most
// limits::json_depth_max.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/document_errors.hpp"

namespace coppice {

enum class yaml_kind : std::uint8_t { null, scalar, sequence, mapping };

struct yaml_member;

struct yaml_value {
    yaml_kind kind = yaml_kind::null;
    bool quoted = false; // scalar: it is a string, whatever it looks like
    text_place at;
    std::string text;                 // scalar
    std::vector<yaml_value> items;    // sequence
    std::vector<yaml_member> members; // mapping, in the order written

    const yaml_value* find(std::string_view key) const;
};

struct yaml_member {
    std::string key;
    text_place at;
    yaml_value value;
};

inline const yaml_value* yaml_value::find(std::string_view key) const {
    for (const yaml_member& member : members)
        if (member.key == key) return &member.value;
    return nullptr;
}

// What a scalar is by YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3.2), which, other than YAML 1.1, takes
// "yes", "on" and "12:30" for strings.
enum class scalar_type : std::uint8_t {
    string,
    boolean,      // true, True, TRUE, false, ...
    integer,      // [-+]?[0-9]+
    leading_zero, // as integer, but written 010, which is ten here and eight for other readers: never accepted
    octal,        // 0o17
    hexadecimal,  // 0x1F
    floating,     // [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
    infinite,     // .inf, .nan and their like: no JSON has them
};

scalar_type type_of(const yaml_value& scalar);

// "a list", "a mapping", "nothing", or the scalar's text in quotes: what a message says that it found.
std::string shown(const yaml_value& value);

} // namespace coppice
