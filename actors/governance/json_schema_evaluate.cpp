#include "actors/governance/json_schema_evaluate.hpp"

#include <algorithm>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_pointer.hpp"
#include "actors/governance/json_schema_compiler.hpp"
#include "actors/governance/json_schema_evaluation.hpp"
#include "schema/limits.hpp"

namespace coppice::json_schema {

std::string pointer_to(const place& at) {
    std::vector<const place*> path;
    for (const place* step = &at; step->up != nullptr; step = step->up) path.push_back(step);
    std::string text;
    for (auto step = path.rbegin(); step != path.rend(); ++step)
        text += (*step)->key != nullptr ? pointer_step(*(*step)->key) : "/" + std::to_string((*step)->index);
    return text;
}

std::vector<violation> evaluate(const program& schema, const json& instance, std::size_t violations_max) {
    return evaluation{schema}.run(instance, violations_max);
}

std::vector<violation> evaluation::run(const json& instance, std::size_t violations_max) {
    findings found{{}, std::max<std::size_t>(violations_max, 1)};
    const place root;
    const bool valid = check(schema_.root, visit{instance, root, nullptr, nullptr, &found});
    if (spent_ || too_deep_) {
        const std::string why =
            spent_ ? "checking takes more than " + std::to_string(limits::json_schema_steps_max) + " steps"
                   : "checking goes deeper than " + std::to_string(limits::json_schema_evaluation_depth_max) +
                         " subschemas";
        if (found.list.size() == found.max) found.list.pop_back();
        found.list.push_back({"", "", why + "; it was ended, and the value is not accepted"});
    } else if (!valid && found.list.empty()) {
        found.list.push_back({"", "", "the value does not meet the schema"});
    }
    return std::move(found.list);
}

void evaluation::add(node_index at, std::string_view keyword, const visit& v, std::string message) {
    violation made;
    made.instance_pointer = pointer_to(v.at);
    made.schema_pointer = schema_.pointer(at);
    if (!keyword.empty()) made.schema_pointer += "/" + std::string{keyword};
    if (!made.instance_pointer.empty()) made.message = shortened(made.instance_pointer) + ": ";
    made.message += message;
    v.found->list.push_back(std::move(made));
}

bool evaluation::check(node_index at, const visit& v) {
    if (stopped(v) || !spend(1)) return false;
    const node& rules = schema_.nodes[at];
    if (rules.outcome == verdict::always) return true;
    if (rules.outcome == verdict::never) return complain(at, "", v, [] { return "no value is allowed here"; });
    if (depth_ == limits::json_schema_evaluation_depth_max) {
        too_deep_ = true;
        return false;
    }
    ++depth_;
    const bool ok = check_rules(rules, at, v);
    --depth_;
    return ok;
}

// Sets up what this node's rules see: its resource in scope, and a list of its own for what it has evaluated. What
// a failing schema has marked does not count (core 7.7.1.2).
bool evaluation::check_rules(const node& rules, node_index at, const visit& v) {
    const scope entered{v.outer, rules.resource};
    const bool enters = v.outer == nullptr || v.outer->resource != rules.resource;
    const bool tracks = rules.tracks && v.value.is_structured();
    evaluated own;
    const visit here{v.value, v.at, enters ? &entered : v.outer, tracks ? &own : v.marks, v.found};
    const std::size_t marked_before = v.marks != nullptr ? v.marks->size() : 0;

    bool ok = check_type(rules, at, here);
    for (const choice_rules& choice : rules.choices)
        if (ok || v.found != nullptr) ok = check_choice(choice, at, here) && ok;
    if (ok || v.found != nullptr) ok = check_kind(rules, at, here) && ok;
    if (rules.in_place && (ok || v.found != nullptr)) ok = check_in_place(*rules.in_place, at, here) && ok;
    if (tracks && ok && rules.array && rules.array->unevaluated != no_node && v.value.is_array())
        ok = check_unevaluated_items(*rules.array, here);
    if (tracks && ok && rules.object && rules.object->unevaluated != no_node && v.value.is_object())
        ok = check_unevaluated_properties(*rules.object, at, here);

    if (v.marks != nullptr && !ok) v.marks->resize(marked_before);
    if (v.marks != nullptr && ok && tracks) {
        if (!spend(own.size() / 16)) return false;
        v.marks->insert(v.marks->end(), own.begin(), own.end());
    }
    return ok;
}

bool evaluation::check_kind(const node& rules, node_index at, const visit& v) {
    switch (v.value.type()) {
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
        return !rules.number || check_number(*rules.number, at, v);
    case json::value_t::string:
        return !rules.string || check_string(*rules.string, at, v);
    case json::value_t::array:
        return !rules.array || check_array(*rules.array, at, v);
    case json::value_t::object:
        return !rules.object || check_object(*rules.object, at, v);
    default:
        return true;
    }
}

bool evaluation::check_in_place(const in_place_rules& rules, node_index at, const visit& v) {
    bool ok = true;
    const auto goes_on = [&] { return ok || v.found != nullptr; };
    if (rules.ref != no_node) ok = check(rules.ref, v);
    if (rules.dynamic_ref != no_node && goes_on()) ok = check(dynamic_target(rules, v), v) && ok;
    for (const node_index branch : rules.all_of) {
        if (!goes_on() || stopped(v)) break;
        ok = check(branch, v) && ok;
    }
    if (!rules.any_of.empty() && goes_on()) ok = check_any_of(rules, at, v) && ok;
    if (!rules.one_of.empty() && goes_on()) ok = check_one_of(rules, at, v) && ok;
    if (rules.condition != no_node && goes_on()) ok = check_condition(rules, v) && ok;
    if (rules.negated != no_node && goes_on() &&
        check(rules.negated, visit{v.value, v.at, v.outer, nullptr, nullptr}))
        ok = complain(at, "not", v, [&] { return excerpt(v.value) + " is what the schema under `not` forbids"; });
    return ok && !spent_ && !too_deep_;
}

// With somebody asking for marks every branch is looked at, since each that matches marks its own.
bool evaluation::check_any_of(const in_place_rules& rules, node_index at, const visit& v) {
    const visit quiet{v.value, v.at, v.outer, v.marks, nullptr};
    bool matched = false;
    for (const node_index branch : rules.any_of) {
        if (stopped(quiet) || (matched && v.marks == nullptr)) break;
        matched = check(branch, quiet) || matched;
    }
    if (matched) return true;
    return complain(at, "anyOf", v, [&] {
        return excerpt(v.value) + " meets none of the " + std::to_string(rules.any_of.size()) +
               " schemas of anyOf" + reasons(rules.any_of, v);
    });
}

bool evaluation::check_one_of(const in_place_rules& rules, node_index at, const visit& v) {
    const visit quiet{v.value, v.at, v.outer, v.marks, nullptr};
    constexpr std::size_t none = ~std::size_t{0};
    std::size_t first = none;
    for (std::size_t i = 0; i < rules.one_of.size() && !stopped(quiet); ++i) {
        if (!check(rules.one_of[i], quiet)) continue;
        if (first != none)
            return complain(at, "oneOf", v, [&] {
                return excerpt(v.value) + " meets the schemas " + std::to_string(first) + " and " +
                       std::to_string(i) + " of oneOf, where exactly one may be met";
            });
        first = i;
    }
    if (first != none) return true;
    return complain(at, "oneOf", v, [&] {
        return excerpt(v.value) + " meets none of the " + std::to_string(rules.one_of.size()) +
               " schemas of oneOf" + reasons(rules.one_of, v);
    });
}

// What the first few branches had against the value. Not from within itself: nested, that would look at a branch
// once more for every level.
std::string evaluation::reasons(const std::vector<node_index>& branches, const visit& v) {
    constexpr std::size_t branches_told_max = 3;
    if (giving_reasons_ || spent_ || too_deep_) return "";
    giving_reasons_ = true;
    std::string text;
    for (std::size_t i = 0; i < std::min(branches.size(), branches_told_max); ++i) {
        findings one{{}, 1};
        check(branches[i], visit{v.value, v.at, v.outer, nullptr, &one});
        if (!one.list.empty())
            text += (text.empty() ? ": (" : "; (") + std::to_string(i) + ") " + one.list.front().message;
    }
    giving_reasons_ = false;
    return text;
}

bool evaluation::check_condition(const in_place_rules& rules, const visit& v) {
    const bool met = check(rules.condition, visit{v.value, v.at, v.outer, v.marks, nullptr});
    const node_index next = met ? rules.consequence : rules.alternative;
    return next == no_node || check(next, v);
}

// The anchor of the outermost resource on the way here that has it (core 8.2.3.2).
node_index evaluation::dynamic_target(const in_place_rules& rules, const visit& v) {
    node_index target = rules.dynamic_ref;
    if (rules.dynamic_anchor.empty()) return target;
    for (const scope* outer = v.outer; outer != nullptr && spend(1); outer = outer->up) {
        const auto& anchors = schema_.resources[outer->resource].dynamic_anchors;
        if (const auto found = anchors.find(rules.dynamic_anchor); found != anchors.end()) target = found->second;
    }
    return target;
}

} // namespace coppice::json_schema
