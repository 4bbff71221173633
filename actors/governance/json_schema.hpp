// JSON Schema, compiled once and asked often: 2020-12 and draft-07, as `$schema` says (2020-12 when it does not).
//
// Both sides are hostile. A schema comes from a declared document: its size, depth, patterns and references are
// checked when it is compiled, and nothing is ever fetched. A payload comes from a socket: however schema and
// payload conspire, one validation ends within limits::json_schema_steps_max and
// limits::json_schema_evaluation_depth_max, and says so when it had to be cut short.
//
// Left out, on purpose: references out of the document (refused), `$recursiveRef` (refused), ECMA patterns that RE2
// cannot run in linear time (refused), and assertions by `format`, `content*` and `$vocabulary` (annotations, as
// the specification's default has it). `multipleOf` is exact decimal arithmetic, see json_number.hpp.
//
// Source: JSON Schema 2020-12 core and validation; draft-07; RFC 6901 for pointers.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct violation {
    std::string instance_pointer; // where in the payload; "" is the whole
    std::string schema_pointer;   // the keyword that was not met, where it stands in the schema's document
    std::string message;          // "/size: 12 is more than the maximum 10": a sentence on its own, bounded, UTF-8
    bool operator==(const violation&) const = default;
};

namespace json_schema {
struct program;
}

// Immutable and cheap to copy; any thread may use any copy at the same time.
class compiled_schema {
  public:
    // schema_invalid, with the schema pointer and what is wrong there; or payload_too_large.
    static expected<compiled_schema> compile(std::string_view json_text);

    // Empty when `instance` is valid; else the first violations found, at least one and at most `violations_max`.
    // `instance` comes from parse_json.
    std::vector<violation> validate(const nlohmann::json& instance,
                                    std::size_t violations_max = limits::json_schema_violations_default) const;

    // The text that it was compiled from.
    std::string_view text() const;

  private:
    explicit compiled_schema(std::shared_ptr<const json_schema::program> program);

    std::shared_ptr<const json_schema::program> program_;
};

} // namespace coppice
