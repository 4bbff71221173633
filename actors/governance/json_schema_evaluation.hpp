// The evaluator's insides, shared by json_schema_evaluate.cpp (the walk, budgets, in-place keywords),
// json_schema_scalars.cpp and json_schema_containers.cpp (the keywords of each kind of value).
//
// It walks schema and instance together. A visit with `found` collects violations and goes on; one without (inside
// anyOf, not, if, ...) only answers yes or no, and stops at the first no. A valid instance builds no text at all:
// where a value stands is a chain of `place`s on the stack, made into a pointer only for a violation.
//
// Every visit, member, comparison and match pays into one step budget; once it is spent, or enough violations are
// found, every visit answers no at once and the walk unwinds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/governance/json_schema.hpp"
#include "actors/governance/json_schema_program.hpp"

namespace coppice::json_schema {

struct place {
    const place* up = nullptr;
    const std::string* key = nullptr; // null: the item at `index`
    std::size_t index = 0;
};

// The resources entered on the way here, for $dynamicRef; innermost first.
struct scope {
    const scope* up = nullptr;
    std::uint32_t resource = 0;
};

struct findings {
    std::vector<violation> list;
    std::size_t max = 0;
};

// The members or items of one value that some keyword has looked at (the annotations of core 10.3 and 11.2).
using evaluated = std::vector<const json*>;

struct visit {
    const json& value;
    const place& at;
    const scope* outer = nullptr;
    evaluated* marks = nullptr; // null: nobody will ask
    findings* found = nullptr;  // null: only yes or no
};

class evaluation {
  public:
    explicit evaluation(const program& schema) : schema_(schema) {}

    std::vector<violation> run(const json& instance, std::size_t violations_max);

  private:
    // ---- the walk (json_schema_evaluate.cpp)
    bool check(node_index at, const visit& v);
    bool check_rules(const node& rules, node_index at, const visit& v);
    bool check_kind(const node& rules, node_index at, const visit& v);
    bool check_in_place(const in_place_rules& rules, node_index at, const visit& v);
    bool check_any_of(const in_place_rules& rules, node_index at, const visit& v);
    bool check_one_of(const in_place_rules& rules, node_index at, const visit& v);
    bool check_condition(const in_place_rules& rules, const visit& v);
    node_index dynamic_target(const in_place_rules& rules, const visit& v);
    std::string reasons(const std::vector<node_index>& branches, const visit& v);

    // ---- scalars (json_schema_scalars.cpp)
    bool check_type(const node& rules, node_index at, const visit& v);
    bool check_choice(const choice_rules& rules, node_index at, const visit& v);
    bool is_choice(const choice_rules& rules, const json& value);
    bool check_number(const number_rules& rules, node_index at, const visit& v);
    bool check_string(const string_rules& rules, node_index at, const visit& v);
    bool matches(const pattern& expression, const std::string& text);

    // ---- containers (json_schema_containers.cpp)
    bool check_array(const array_rules& rules, node_index at, const visit& v);
    bool check_items(const array_rules& rules, const visit& v);
    bool check_contains(const array_rules& rules, node_index at, const visit& v);
    bool check_unique(node_index at, const visit& v);
    std::optional<std::pair<std::size_t, std::size_t>> find_twins(const json::array_t& items);
    bool check_object(const object_rules& rules, node_index at, const visit& v);
    bool check_members(const object_rules& rules, node_index at, const visit& v, std::size_t& required_seen);
    bool check_member(const object_rules& rules, node_index at, const visit& v, const std::string& key,
                      const json& member, std::size_t& required_seen);
    bool check_required(const object_rules& rules, node_index at, const visit& v);
    bool check_dependencies(const object_rules& rules, node_index at, const visit& v);
    bool check_unevaluated_items(const array_rules& rules, const visit& v);
    bool check_unevaluated_properties(const object_rules& rules, node_index at, const visit& v);
    bool check_size(std::size_t size, const std::optional<std::uint64_t>& min,
                    const std::optional<std::uint64_t>& max, std::string_view noun, node_index at, const visit& v);

    // ---- helpers
    // False when the budget is used up.
    bool spend(std::uint64_t steps) {
        if (steps > budget_) {
            budget_ = 0;
            spent_ = true;
            return false;
        }
        budget_ -= steps;
        return true;
    }
    bool stopped(const visit& v) const {
        return spent_ || too_deep_ || (v.found != nullptr && v.found->list.size() >= v.found->max);
    }
    // Always false, so that a check can return it. `words` makes the message, and is called only for a collecting
    // visit with room left.
    template <class Words>
    bool complain(node_index at, std::string_view keyword, const visit& v, Words words) {
        if (v.found != nullptr && v.found->list.size() < v.found->max && !spent_) add(at, keyword, v, words());
        return false;
    }
    void add(node_index at, std::string_view keyword, const visit& v, std::string message);

    const program& schema_;
    std::uint64_t budget_ = limits::json_schema_steps_max;
    std::size_t depth_ = 0;
    bool spent_ = false;
    bool too_deep_ = false;
    bool giving_reasons_ = false;
};

// RFC 6901.
std::string pointer_to(const place& at);

} // namespace coppice::json_schema
