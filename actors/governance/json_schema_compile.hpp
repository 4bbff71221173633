// From the text of a JSON Schema to its program. See json_schema.hpp for what is accepted.
#pragma once

#include <memory>
#include <string_view>

#include "actors/governance/json_schema_program.hpp"
#include "schema/errc.hpp"

namespace coppice::json_schema {

expected<std::shared_ptr<const program>> compile(std::string_view text);

} // namespace coppice::json_schema
