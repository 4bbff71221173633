// The table of keywords: which handler of the compiler reads each, and in which dialects it means something.
// Private to the compiler.
#pragma once

#include "actors/governance/json_schema_compiler.hpp"

namespace coppice::json_schema {

struct compiler::keyword_row {
    std::string_view name;
    bool in_draft_07;
    bool in_2020_12;
    handler handle;
};

} // namespace coppice::json_schema
