// Which keyword means something in which dialect, and who reads it.
#include <algorithm>
#include <array>

#include "actors/governance/json_schema_keywords.hpp"

namespace coppice::json_schema {

const compiler::keyword_row* compiler::find_keyword(std::string_view name, dialect language) {
    using c = compiler;
    static constexpr std::array rows{
        keyword_row{"$anchor", false, true, &c::must_be_string},
        keyword_row{"$comment", true, true, &c::must_be_string},
        keyword_row{"$defs", false, true, &c::definitions},
        keyword_row{"$dynamicAnchor", false, true, &c::must_be_string},
        keyword_row{"$dynamicRef", false, true, &c::ref},
        keyword_row{"$id", true, true, &c::must_be_string},
        keyword_row{"$recursiveRef", false, true, &c::recursive_ref},
        keyword_row{"$ref", true, true, &c::ref},
        keyword_row{"additionalItems", true, false, &c::additional_items},
        keyword_row{"additionalProperties", true, true, &c::property_schema},
        keyword_row{"allOf", true, true, &c::schema_list},
        keyword_row{"anyOf", true, true, &c::schema_list},
        keyword_row{"const", true, true, &c::choice},
        keyword_row{"contains", true, true, &c::contains},
        keyword_row{"contentEncoding", true, true, &c::must_be_string},
        keyword_row{"contentMediaType", true, true, &c::must_be_string},
        keyword_row{"contentSchema", false, true, &c::annotation_schema},
        keyword_row{"definitions", true, true, &c::definitions},
        keyword_row{"dependencies", true, true, &c::dependencies},
        keyword_row{"dependentRequired", false, true, &c::dependencies},
        keyword_row{"dependentSchemas", false, true, &c::dependencies},
        keyword_row{"deprecated", false, true, &c::must_be_boolean},
        keyword_row{"description", true, true, &c::must_be_string},
        keyword_row{"else", true, true, &c::schema_in_place},
        keyword_row{"enum", true, true, &c::choice},
        keyword_row{"examples", true, true, &c::must_be_array},
        keyword_row{"exclusiveMaximum", true, true, &c::number_bound},
        keyword_row{"exclusiveMinimum", true, true, &c::number_bound},
        keyword_row{"format", true, true, &c::must_be_string},
        keyword_row{"if", true, true, &c::schema_in_place},
        keyword_row{"items", true, true, &c::items},
        keyword_row{"maxContains", false, true, &c::size_bound},
        keyword_row{"maxItems", true, true, &c::size_bound},
        keyword_row{"maxLength", true, true, &c::size_bound},
        keyword_row{"maxProperties", true, true, &c::size_bound},
        keyword_row{"maximum", true, true, &c::number_bound},
        keyword_row{"minContains", false, true, &c::size_bound},
        keyword_row{"minItems", true, true, &c::size_bound},
        keyword_row{"minLength", true, true, &c::size_bound},
        keyword_row{"minProperties", true, true, &c::size_bound},
        keyword_row{"minimum", true, true, &c::number_bound},
        keyword_row{"multipleOf", true, true, &c::multiple_of},
        keyword_row{"not", true, true, &c::schema_in_place},
        keyword_row{"oneOf", true, true, &c::schema_list},
        keyword_row{"pattern", true, true, &c::string_pattern},
        keyword_row{"patternProperties", true, true, &c::pattern_properties},
        keyword_row{"prefixItems", false, true, &c::prefix_items},
        keyword_row{"properties", true, true, &c::properties},
        keyword_row{"propertyNames", true, true, &c::property_schema},
        keyword_row{"readOnly", true, true, &c::must_be_boolean},
        keyword_row{"required", true, true, &c::required},
        keyword_row{"then", true, true, &c::schema_in_place},
        keyword_row{"title", true, true, &c::must_be_string},
        keyword_row{"type", true, true, &c::type},
        keyword_row{"unevaluatedItems", false, true, &c::unevaluated},
        keyword_row{"unevaluatedProperties", false, true, &c::unevaluated},
        keyword_row{"uniqueItems", true, true, &c::unique_items},
        keyword_row{"writeOnly", true, true, &c::must_be_boolean},
    };
    static_assert(std::ranges::is_sorted(rows, {}, &keyword_row::name));
    const auto row = std::ranges::lower_bound(rows, name, {}, &keyword_row::name);
    if (row == rows.end() || row->name != name) return nullptr;
    const bool known = language == dialect::draft_07 ? row->in_draft_07 : row->in_2020_12;
    return known ? &*row : nullptr;
}

} // namespace coppice::json_schema
