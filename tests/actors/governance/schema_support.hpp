// What the tests of JSON Schema share.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "actors/governance/json_schema.hpp"

namespace coppice::schema_test {

inline compiled_schema compiled(std::string_view text) {
    auto schema = compiled_schema::compile(text);
    BOOST_REQUIRE_MESSAGE(schema.has_value(), (schema ? std::string{} : schema.error().detail) << " in " << text);
    return std::move(*schema);
}

} // namespace coppice::schema_test
