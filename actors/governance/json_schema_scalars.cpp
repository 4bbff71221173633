// Type, enum and const, numbers, strings.
#include <algorithm>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_equality.hpp"
#include "actors/governance/json_schema_evaluation.hpp"

namespace coppice::json_schema {
namespace {

type_set type_of(const json& value) {
    switch (value.type()) {
    case json::value_t::boolean:
        return type_boolean;
    case json::value_t::object:
        return type_object;
    case json::value_t::array:
        return type_array;
    case json::value_t::string:
        return type_string;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
        return type_integer;
    case json::value_t::number_float:
        return is_integer(value) ? type_integer : type_number;
    default:
        return type_null;
    }
}

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

} // namespace

bool evaluation::check_type(const node& rules, node_index at, const visit& v) {
    if (rules.types == type_any || (rules.types & type_of(v.value)) != 0) return true;
    return complain(at, "type", v, [&] {
        // "number" says it all where integers are allowed too.
        const type_set told = (rules.types & type_number) != 0 ? rules.types & ~type_integer : rules.types;
        return excerpt(v.value) + " is of type " + type_names(type_of(v.value)) + ", where " + type_names(told) +
               " is expected";
    });
}

bool evaluation::is_choice(const choice_rules& rules, const json& value) {
    std::uint64_t work = 0;
    if (rules.by_hash.empty()) {
        const bool found =
            std::ranges::any_of(rules.values, [&](const json& choice) { return same_json(choice, value, work); });
        return spend(work) && found;
    }
    const std::uint64_t hash = hash_json(value, work);
    using entry = std::pair<std::uint64_t, std::uint32_t>;
    auto candidate = std::ranges::lower_bound(rules.by_hash, entry{hash, 0});
    bool found = false;
    for (; candidate != rules.by_hash.end() && candidate->first == hash && !found && spend(work); ++candidate) {
        work = 0;
        found = same_json(rules.values[candidate->second], value, work);
    }
    return spend(work) && found;
}

bool evaluation::check_choice(const choice_rules& rules, node_index at, const visit& v) {
    if (is_choice(rules, v.value)) return true;
    return complain(at, rules.keyword, v, [&] {
        constexpr std::size_t told_max = 5;
        std::string text = excerpt(v.value) + (rules.keyword == "const" ? " is not " : " is not one of ");
        for (std::size_t i = 0; i < std::min(rules.values.size(), told_max); ++i)
            text += (i > 0 ? ", " : "") + excerpt(rules.values[i]);
        if (rules.values.size() > told_max) text += ", ... (" + std::to_string(rules.values.size()) + " in all)";
        if (rules.values.empty()) text += "an empty list";
        return text;
    });
}

bool evaluation::check_number(const number_rules& rules, node_index at, const visit& v) {
    bool ok = true;
    const auto bound = [&](const std::optional<json>& limit, bool upper, bool exclusive, std::string_view keyword,
                           std::string_view words) {
        if (!limit || (!ok && v.found == nullptr)) return;
        const auto order = compare_numbers(v.value, *limit);
        const bool inside = order == (upper ? std::partial_ordering::less : std::partial_ordering::greater) ||
                            (!exclusive && order == std::partial_ordering::equivalent);
        if (!inside)
            ok = complain(at, keyword, v,
                          [&] { return number_text(v.value) + std::string{words} + number_text(*limit); });
    };
    bound(rules.minimum, false, false, "minimum", " is less than the minimum ");
    bound(rules.maximum, true, false, "maximum", " is more than the maximum ");
    bound(rules.exclusive_minimum, false, true, "exclusiveMinimum", " is not more than the exclusive minimum ");
    bound(rules.exclusive_maximum, true, true, "exclusiveMaximum", " is not less than the exclusive maximum ");
    if (!rules.multiple_of || (!ok && v.found == nullptr)) return ok;
    const auto decimal = to_decimal(v.value);
    if (decimal && is_multiple(*decimal, rules.divisor)) return ok;
    return complain(at, "multipleOf", v, [&] {
        return number_text(v.value) + " is not a multiple of " + number_text(*rules.multiple_of);
    });
}

bool evaluation::matches(const pattern& expression, const std::string& text) {
    return spend(expression.steps(text.size())) && expression.matches(text);
}

bool evaluation::check_string(const string_rules& rules, node_index at, const visit& v) {
    const auto& text = v.value.get_ref<const std::string&>();
    bool ok = true;
    if (rules.length_min || rules.length_max) {
        if (!spend(text.size() / 64)) return false;
        const std::size_t length = code_points(text);
        const auto says = [&](std::string_view words, std::uint64_t limit) {
            return quoted_excerpt(text) + " has " + std::to_string(length) +
                   (length == 1 ? " character, " : " characters, ") + std::string{words} + std::to_string(limit);
        };
        if (rules.length_min && length < *rules.length_min)
            ok = complain(at, "minLength", v, [&] { return says("less than the minimum ", *rules.length_min); });
        if (rules.length_max && length > *rules.length_max)
            ok = complain(at, "maxLength", v, [&] { return says("more than the maximum ", *rules.length_max); });
    }
    if (rules.matches == nullptr || (!ok && v.found == nullptr) || matches(*rules.matches, text)) return ok;
    return complain(at, "pattern", v, [&] {
        return quoted_excerpt(text) + " does not match the pattern " + quoted_excerpt(rules.matches->source());
    });
}

} // namespace coppice::json_schema
