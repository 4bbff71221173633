// Arrays and objects.
#include <algorithm>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_equality.hpp"
#include "actors/governance/json_schema_evaluation.hpp"

namespace coppice::json_schema {
namespace {

constexpr std::size_t few_items = 6; // fewer comparisons than hashes would cost

const json::object_t& members_of(const json& value) { return value.get_ref<const json::object_t&>(); }
const json::array_t& items_of(const json& value) { return value.get_ref<const json::array_t&>(); }

} // namespace

bool evaluation::check_size(std::size_t size, const std::optional<std::uint64_t>& min,
                            const std::optional<std::uint64_t>& max, std::string_view noun, node_index at,
                            const visit& v) {
    const auto says = [&](std::string_view words, std::uint64_t limit) {
        return "has " + std::to_string(size) + " " + std::string{noun == "Items" ? "items" : "properties"} +
               std::string{words} + std::to_string(limit);
    };
    if (min && size < *min)
        return complain(at, "min" + std::string{noun}, v, [&] { return says(", less than the minimum ", *min); });
    if (max && size > *max)
        return complain(at, "max" + std::string{noun}, v, [&] { return says(", more than the maximum ", *max); });
    return true;
}

// ---- arrays
// -------------------------------------------------------------------------------------------------------

bool evaluation::check_array(const array_rules& rules, node_index at, const visit& v) {
    bool ok = check_size(items_of(v.value).size(), rules.size_min, rules.size_max, "Items", at, v);
    const auto goes_on = [&] { return ok || v.found != nullptr; };
    if (goes_on() && (!rules.prefix.empty() || rules.rest != no_node)) ok = check_items(rules, v) && ok;
    if (goes_on() && rules.contains != no_node) ok = check_contains(rules, at, v) && ok;
    if (goes_on() && rules.unique) ok = check_unique(at, v) && ok;
    return ok;
}

bool evaluation::check_items(const array_rules& rules, const visit& v) {
    const auto& items = items_of(v.value);
    bool ok = true;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (stopped(v) || (!ok && v.found == nullptr)) return false;
        const node_index schema = i < rules.prefix.size() ? rules.prefix[i] : rules.rest;
        if (schema == no_node) break;
        const place here{&v.at, nullptr, i};
        ok = check(schema, visit{items[i], here, v.outer, nullptr, v.found}) && ok;
        if (v.marks != nullptr) v.marks->push_back(&items[i]);
    }
    return ok;
}

bool evaluation::check_contains(const array_rules& rules, node_index at, const visit& v) {
    const auto& items = items_of(v.value);
    std::uint64_t met = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const bool decided = met >= rules.contains_min && !rules.contains_max && v.marks == nullptr;
        if (decided || spent_ || too_deep_) break;
        const place here{&v.at, nullptr, i};
        if (!check(rules.contains, visit{items[i], here, v.outer, nullptr, nullptr})) continue;
        ++met;
        if (v.marks != nullptr) v.marks->push_back(&items[i]);
    }
    const auto says = [&](std::string_view words, std::uint64_t limit) {
        return "has " + std::to_string(met) + " items that meet the schema of contains" + std::string{words} +
               std::to_string(limit);
    };
    if (met < rules.contains_min) {
        const bool plain = rules.contains_min == 1;
        return complain(at, plain ? "contains" : "minContains", v,
                        [&] { return says(", less than the minimum ", rules.contains_min); });
    }
    if (rules.contains_max && met > *rules.contains_max)
        return complain(at, "maxContains", v,
                        [&] { return says(", more than the maximum ", *rules.contains_max); });
    return true;
}

bool evaluation::check_unique(node_index at, const visit& v) {
    const auto twins = find_twins(items_of(v.value));
    if (!twins) return !spent_;
    return complain(at, "uniqueItems", v, [&] {
        return "the items " + std::to_string(twins->first) + " and " + std::to_string(twins->second) +
               " are equal (" + excerpt(items_of(v.value)[twins->first]) + ")";
    });
}

// Sorted by hash, equal items are neighbours; only items of equal hash are compared.
std::optional<std::pair<std::size_t, std::size_t>> evaluation::find_twins(const json::array_t& items) {
    std::vector<std::pair<std::uint64_t, std::size_t>> order;
    const bool few = items.size() <= few_items;
    order.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        std::uint64_t work = 0;
        order.emplace_back(few ? 0 : hash_json(items[i], work), i);
        if (!spend(work)) return std::nullopt;
    }
    if (!few) std::ranges::sort(order);
    for (std::size_t i = 0; i < order.size(); ++i) {
        for (std::size_t k = i + 1; k < order.size() && order[k].first == order[i].first; ++k) {
            std::uint64_t work = 0;
            const bool same = same_json(items[order[i].second], items[order[k].second], work);
            if (!spend(work)) return std::nullopt;
            if (same) return std::pair{order[i].second, order[k].second};
        }
    }
    return std::nullopt;
}

bool evaluation::check_unevaluated_items(const array_rules& rules, const visit& v) {
    const auto& items = items_of(v.value);
    std::ranges::sort(*v.marks, std::less<>{});
    bool ok = spend(v.marks->size() / 4);
    evaluated more;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (stopped(v) || !spend(1)) return false;
        if (std::ranges::binary_search(*v.marks, &items[i], std::less<>{})) continue;
        const place here{&v.at, nullptr, i};
        ok = check(rules.unevaluated, visit{items[i], here, v.outer, nullptr, v.found}) && ok;
        if (!ok && v.found == nullptr) return false;
        more.push_back(&items[i]);
    }
    v.marks->insert(v.marks->end(), more.begin(), more.end());
    return ok;
}

// ---- objects
// ------------------------------------------------------------------------------------------------------

bool evaluation::check_object(const object_rules& rules, node_index at, const visit& v) {
    bool ok = check_size(members_of(v.value).size(), rules.size_min, rules.size_max, "Properties", at, v);
    const auto goes_on = [&] { return ok || v.found != nullptr; };
    std::size_t required_seen = 0;
    if (goes_on()) ok = check_members(rules, at, v, required_seen) && ok;
    if (goes_on() && required_seen < rules.required_count) ok = check_required(rules, at, v) && ok;
    if (goes_on() && !rules.dependencies.empty()) ok = check_dependencies(rules, at, v) && ok;
    return ok;
}

bool evaluation::check_members(const object_rules& rules, node_index at, const visit& v,
                               std::size_t& required_seen) {
    if (rules.properties.empty() && rules.patterns.empty() && rules.additional == no_node && rules.names == no_node)
        return true;
    bool ok = true;
    for (const auto& [key, member] : members_of(v.value)) {
        if (stopped(v) || !spend(1)) return false;
        ok = check_member(rules, at, v, key, member, required_seen) && ok;
        if (!ok && v.found == nullptr) return false;
    }
    return ok;
}

bool evaluation::check_member(const object_rules& rules, node_index at, const visit& v, const std::string& key,
                              const json& member, std::size_t& required_seen) {
    const place here{&v.at, &key, 0};
    const visit inside{member, here, v.outer, nullptr, v.found};
    bool ok = true;
    bool known = false;
    const auto rule = std::ranges::lower_bound(rules.properties, key, {}, &property_rule::name);
    if (rule != rules.properties.end() && rule->name == key) {
        if (rule->required) ++required_seen;
        known = rule->schema != no_node;
        if (known) ok = check(rule->schema, inside);
    }
    for (const auto& [names, schema] : rules.patterns) {
        if (!matches(*names, key)) continue;
        known = true;
        ok = check(schema, inside) && ok;
    }
    if (!known && rules.additional != no_node) {
        known = true;
        if (schema_.nodes[rules.additional].outcome == verdict::never)
            ok = complain(at, "additionalProperties", inside,
                          [&] { return "the property " + quoted_excerpt(key) + " is not among those allowed"; });
        else
            ok = check(rules.additional, inside) && ok;
    }
    if (rules.names != no_node) ok = check(rules.names, visit{json(key), here, v.outer, nullptr, v.found}) && ok;
    if (known && v.marks != nullptr) v.marks->push_back(&member);
    return ok;
}

bool evaluation::check_required(const object_rules& rules, node_index at, const visit& v) {
    const auto& members = members_of(v.value);
    for (const property_rule& rule : rules.properties) {
        if (stopped(v) || !spend(1)) return false;
        if (rule.required && !members.contains(rule.name))
            complain(at, "required", v,
                     [&] { return "the required property " + quoted_excerpt(rule.name) + " is missing"; });
    }
    return false;
}

bool evaluation::check_dependencies(const object_rules& rules, node_index at, const visit& v) {
    const auto& members = members_of(v.value);
    bool ok = true;
    for (const dependency_rule& rule : rules.dependencies) {
        if (stopped(v) || !spend(1)) return false;
        if (!members.contains(rule.name)) continue;
        for (const std::string& name : rule.required) {
            if (!spend(1)) return false;
            if (!members.contains(name))
                ok = complain(at, rule.keyword, v, [&] {
                    return "the property " + quoted_excerpt(rule.name) + " demands the property " +
                           quoted_excerpt(name) + ", which is missing";
                });
        }
        if (rule.schema != no_node) ok = check(rule.schema, v) && ok;
        if (!ok && v.found == nullptr) return false;
    }
    return ok;
}

bool evaluation::check_unevaluated_properties(const object_rules& rules, node_index at, const visit& v) {
    std::ranges::sort(*v.marks, std::less<>{});
    bool ok = spend(v.marks->size() / 4);
    evaluated more;
    for (const auto& [key, member] : members_of(v.value)) {
        if (stopped(v) || !spend(1)) return false;
        if (std::ranges::binary_search(*v.marks, &member, std::less<>{})) continue;
        const place here{&v.at, &key, 0};
        const visit inside{member, here, v.outer, nullptr, v.found};
        if (schema_.nodes[rules.unevaluated].outcome == verdict::never)
            ok = complain(at, "unevaluatedProperties", inside, [&, &name = key] {
                return "the property " + quoted_excerpt(name) + " is not among those allowed";
            });
        else
            ok = check(rules.unevaluated, inside) && ok;
        if (!ok && v.found == nullptr) return false;
        more.push_back(&member);
    }
    v.marks->insert(v.marks->end(), more.begin(), more.end());
    return ok;
}

} // namespace coppice::json_schema
