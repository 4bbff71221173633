// What each keyword demands of its own value, and the rule that it becomes.
#include "actors/governance/json_schema_keywords.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_equality.hpp"
#include "actors/governance/json_pointer.hpp"
#include "schema/limits.hpp"

namespace coppice::json_schema {
namespace {

struct type_row {
    std::string_view name;
    type_set bit;
};
constexpr std::array type_rows{type_row{"null", type_null},      type_row{"boolean", type_boolean},
                               type_row{"object", type_object},  type_row{"array", type_array},
                               type_row{"number", type_number},  type_row{"string", type_string},
                               type_row{"integer", type_integer}};

constexpr std::size_t few_choices = 8; // compared one by one; more are looked up by hash

template <class Rules>
Rules& ensure(std::unique_ptr<Rules>& rules) {
    if (!rules) rules = std::make_unique<Rules>();
    return *rules;
}

std::optional<std::uint64_t> natural(const json& value) {
    if (!value.is_number()) return std::nullopt;
    const auto whole = to_whole(value);
    if (!whole || (whole->negative && whole->magnitude != 0)) return std::nullopt;
    return whole->magnitude;
}

} // namespace

std::string type_names(type_set types) {
    std::vector<std::string_view> names;
    for (const type_row& row : type_rows)
        if ((types & row.bit) != 0) names.push_back(row.name);
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
        text += names[i];
    }
    return text;
}

void compiler::refuse_type(const site& at, const std::string& keyword, std::string_view wanted, const json& value) {
    refuse(at.self, "/" + keyword, "must be " + std::string{wanted} + ", but is " + excerpt(value));
}

node_index compiler::child(const site& at, std::string step, const json& value) {
    return compile_schema(value, at.self, std::move(step), at.resource);
}

std::vector<node_index> compiler::children(const site& at, const std::string& keyword, const json& value) {
    std::vector<node_index> made;
    if (!value.is_array() || value.empty()) {
        refuse_type(at, keyword, "a non-empty array of schemas", value);
        return made;
    }
    for (std::size_t i = 0; i < value.size() && !failed_; ++i)
        made.push_back(child(at, "/" + keyword + "/" + std::to_string(i), value[i]));
    return made;
}

std::optional<std::vector<std::string>> compiler::unique_strings(const site& at, std::string_view step,
                                                                 const json& value) {
    const auto give_up = [&](const json& culprit) {
        refuse(at.self, step, "must be an array of different strings, but has or is " + excerpt(culprit));
        return std::nullopt;
    };
    if (!value.is_array()) return give_up(value);
    std::set<std::string> names;
    for (const json& name : value)
        if (!name.is_string() || !names.insert(name.get<std::string>()).second) return give_up(name);
    return std::vector<std::string>{names.begin(), names.end()};
}

const pattern* compiler::pattern_for(const site& at, std::string_view step, const std::string& source) {
    if (failed_) return nullptr;
    const auto [known, inserted] = pattern_by_source_.try_emplace(source, nullptr);
    if (!inserted) return known->second;
    if (program_->patterns.size() == limits::json_schema_patterns_max) {
        refuse(at.self, step,
               "the schema has more than " + std::to_string(limits::json_schema_patterns_max) +
                   " different patterns");
        return nullptr;
    }
    auto compiled = pattern::compile(source);
    if (!compiled) {
        refuse(at.self, step, compiled.error().detail);
        return nullptr;
    }
    pattern_instructions_ += static_cast<std::uint64_t>(compiled->program_size());
    if (pattern_instructions_ > limits::json_schema_pattern_programs_max) {
        refuse(at.self, step, "the patterns of the schema are too large together when compiled");
        return nullptr;
    }
    program_->patterns.push_back(std::make_unique<const pattern>(std::move(*compiled)));
    known->second = program_->patterns.back().get();
    return known->second;
}

// ---- any value
// ----------------------------------------------------------------------------------------------------

void compiler::type(const site& at, const std::string& keyword, const json& value) {
    const json list = value.is_array() ? value : json::array({value});
    type_set types = 0;
    for (const json& name : list) {
        const auto row = std::ranges::find_if(type_rows, [&](const type_row& r) { return name == r.name; });
        if (row == type_rows.end() || (types & row->bit) != 0) break;
        types |= row->bit;
    }
    if (list.empty() || static_cast<std::size_t>(std::popcount(types)) != list.size())
        return refuse_type(at, keyword, type_names(type_any) + ", or an array of different ones", value);
    at.made.types = (types & type_number) != 0 ? types | type_integer : types;
}

void compiler::choice(const site& at, const std::string& keyword, const json& value) {
    const bool constant = keyword == "const";
    if (!constant && !value.is_array()) return refuse_type(at, keyword, "an array", value);
    choice_rules rules;
    rules.keyword = constant ? "const" : "enum";
    if (constant)
        rules.values.push_back(value);
    else
        rules.values = value.get_ref<const json::array_t&>();
    if (rules.values.size() > few_choices) {
        std::uint64_t work = 0;
        for (std::uint32_t i = 0; i < rules.values.size(); ++i)
            rules.by_hash.emplace_back(hash_json(rules.values[i], work), i);
        std::ranges::sort(rules.by_hash);
    }
    at.made.choices.push_back(std::move(rules));
}

// ---- numbers, sizes, strings
// --------------------------------------------------------------------------------------

void compiler::number_bound(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_number()) return refuse_type(at, keyword, "a number", value);
    number_rules& rules = ensure(at.made.number);
    if (keyword == "minimum")
        rules.minimum = value;
    else if (keyword == "maximum")
        rules.maximum = value;
    else if (keyword == "exclusiveMinimum")
        rules.exclusive_minimum = value;
    else
        rules.exclusive_maximum = value;
}

void compiler::multiple_of(const site& at, const std::string& keyword, const json& value) {
    const bool positive = value.is_number() && compare_numbers(value, json(0)) == std::partial_ordering::greater;
    const auto divisor = positive ? to_decimal(value) : std::nullopt;
    if (!divisor) return refuse_type(at, keyword, "a number above 0", value);
    number_rules& rules = ensure(at.made.number);
    rules.multiple_of = value;
    rules.divisor = *divisor;
}

void compiler::size_bound(const site& at, const std::string& keyword, const json& value) {
    const auto size = natural(value);
    if (!size) return refuse_type(at, keyword, "an integer of at least 0", value);
    if (keyword == "minLength" || keyword == "maxLength") {
        string_rules& rules = ensure(at.made.string);
        (keyword == "minLength" ? rules.length_min : rules.length_max) = size;
    } else if (keyword == "minProperties" || keyword == "maxProperties") {
        object_rules& rules = ensure(at.made.object);
        (keyword == "minProperties" ? rules.size_min : rules.size_max) = size;
    } else {
        array_rules& rules = ensure(at.made.array);
        if (keyword == "minItems") rules.size_min = size;
        if (keyword == "maxItems") rules.size_max = size;
        if (keyword == "minContains") rules.contains_min = *size;
        if (keyword == "maxContains") rules.contains_max = size;
    }
}

void compiler::string_pattern(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_string()) return refuse_type(at, keyword, "a string", value);
    ensure(at.made.string).matches = pattern_for(at, "/" + keyword, value.get_ref<const std::string&>());
}

// ---- arrays
// -------------------------------------------------------------------------------------------------------

void compiler::items(const site& at, const std::string& keyword, const json& value) {
    array_rules& rules = ensure(at.made.array);
    if (!value.is_array()) {
        rules.rest = child(at, "/" + keyword, value);
        return;
    }
    if (program_->language == dialect::draft_2020_12)
        return refuse_type(at, keyword, "a schema (one for each item is `prefixItems` in 2020-12)", value);
    for (std::size_t i = 0; i < value.size() && !failed_; ++i)
        rules.prefix.push_back(child(at, "/" + keyword + "/" + std::to_string(i), value[i]));
    rules.prefix_keyword = "items";
}

void compiler::prefix_items(const site& at, const std::string& keyword, const json& value) {
    ensure(at.made.array).prefix = children(at, keyword, value);
}

// Of use only beside a list of items; a schema for all items leaves none over.
void compiler::additional_items(const site& at, const std::string& keyword, const json& value) {
    const node_index rest = child(at, "/" + keyword, value);
    const auto list = at.schema.find("items");
    if (list == at.schema.end() || !list->is_array()) return;
    array_rules& rules = ensure(at.made.array);
    rules.rest = rest;
    rules.rest_keyword = "additionalItems";
}

void compiler::contains(const site& at, const std::string& keyword, const json& value) {
    ensure(at.made.array).contains = child(at, "/" + keyword, value);
}

void compiler::unique_items(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_boolean()) return refuse_type(at, keyword, "a boolean", value);
    ensure(at.made.array).unique = value.get<bool>();
}

void compiler::unevaluated(const site& at, const std::string& keyword, const json& value) {
    at.made.tracks = true;
    const node_index rest = child(at, "/" + keyword, value);
    (keyword == "unevaluatedItems" ? ensure(at.made.array).unevaluated : ensure(at.made.object).unevaluated) = rest;
}

// ---- objects
// ------------------------------------------------------------------------------------------------------

void compiler::properties(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_object()) return refuse_type(at, keyword, "an object of schemas", value);
    object_rules& rules = ensure(at.made.object);
    for (const auto& [name, schema] : value.get_ref<const json::object_t&>()) {
        if (failed_) return;
        rules.properties.push_back({name, child(at, "/" + keyword + pointer_step(name), schema), false});
    }
}

// Comes after `properties`, as keywords are read in alphabetical order, and joins its sorted list.
void compiler::required(const site& at, const std::string& keyword, const json& value) {
    const auto names = unique_strings(at, "/" + keyword, value);
    if (!names) return;
    object_rules& rules = ensure(at.made.object);
    rules.required_count = names->size();
    std::vector<property_rule> more;
    for (const std::string& name : *names) {
        const auto rule = std::ranges::lower_bound(rules.properties, name, {}, &property_rule::name);
        if (rule != rules.properties.end() && rule->name == name)
            rule->required = true;
        else
            more.push_back({name, no_node, true});
    }
    rules.properties.insert(rules.properties.end(), more.begin(), more.end());
    std::ranges::sort(rules.properties, {}, &property_rule::name);
}

void compiler::pattern_properties(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_object()) return refuse_type(at, keyword, "an object of schemas", value);
    object_rules& rules = ensure(at.made.object);
    for (const auto& [source, schema] : value.get_ref<const json::object_t&>()) {
        const std::string step = "/" + keyword + pointer_step(source);
        const pattern* names = pattern_for(at, step, source);
        if (failed_) return;
        rules.patterns.emplace_back(names, child(at, step, schema));
    }
}

void compiler::property_schema(const site& at, const std::string& keyword, const json& value) {
    const node_index schema = child(at, "/" + keyword, value);
    object_rules& rules = ensure(at.made.object);
    (keyword == "propertyNames" ? rules.names : rules.additional) = schema;
}

void compiler::dependencies(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_object()) return refuse_type(at, keyword, "an object", value);
    for (const auto& [name, demand] : value.get_ref<const json::object_t&>()) {
        const std::string step = "/" + keyword + pointer_step(name);
        dependency_rule rule;
        rule.name = name;
        rule.keyword = keyword == "dependencies"        ? "dependencies"
                       : keyword == "dependentRequired" ? "dependentRequired"
                                                        : "dependentSchemas";
        if (keyword == "dependentRequired" || (keyword == "dependencies" && demand.is_array())) {
            auto names = unique_strings(at, step, demand);
            if (!names) return;
            rule.required = std::move(*names);
        } else {
            rule.schema = child(at, step, demand);
        }
        if (failed_) return;
        ensure(at.made.object).dependencies.push_back(std::move(rule));
    }
}

void compiler::definitions(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_object()) return refuse_type(at, keyword, "an object of schemas", value);
    for (const auto& [name, schema] : value.get_ref<const json::object_t&>())
        child(at, "/" + keyword + pointer_step(name), schema);
}

// ---- the same value
// -----------------------------------------------------------------------------------------------

void compiler::schema_list(const site& at, const std::string& keyword, const json& value) {
    auto made = children(at, keyword, value);
    in_place_rules& rules = ensure(at.made.in_place);
    (keyword == "allOf" ? rules.all_of : keyword == "anyOf" ? rules.any_of : rules.one_of) = std::move(made);
}

void compiler::schema_in_place(const site& at, const std::string& keyword, const json& value) {
    const node_index made = child(at, "/" + keyword, value);
    in_place_rules& rules = ensure(at.made.in_place);
    if (keyword == "not") rules.negated = made;
    if (keyword == "if") rules.condition = made;
    if (keyword == "then") rules.consequence = made;
    if (keyword == "else") rules.alternative = made;
}

void compiler::ref(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_string()) return refuse_type(at, keyword, "a string", value);
    ensure(at.made.in_place);
    references_.push_back({at.self, keyword, value.get<std::string>(), at.resource});
}

void compiler::recursive_ref(const site& at, const std::string& keyword, const json&) {
    refuse(at.self, "/" + keyword, "belongs to draft 2019-09; use `$dynamicRef` or `$ref`");
}

// ---- annotations
// --------------------------------------------------------------------------------------------------

void compiler::must_be_string(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_string()) refuse_type(at, keyword, "a string", value);
}

void compiler::must_be_boolean(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_boolean()) refuse_type(at, keyword, "a boolean", value);
}

void compiler::must_be_array(const site& at, const std::string& keyword, const json& value) {
    if (!value.is_array()) refuse_type(at, keyword, "an array", value);
}

void compiler::annotation_schema(const site& at, const std::string& keyword, const json& value) {
    child(at, "/" + keyword, value);
}

} // namespace coppice::json_schema
