// One value against a compiled schema. See json_schema.hpp for what is promised.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "actors/governance/json_schema.hpp"
#include "actors/governance/json_schema_program.hpp"

namespace coppice::json_schema {

std::vector<violation> evaluate(const program& schema, const json& instance, std::size_t violations_max);

} // namespace coppice::json_schema
