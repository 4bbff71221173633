// Random schemas on random values: nothing crashes, everything ends, and the laws of the logic hold: a schema under
// allOf or anyOf says the same, under `not` the opposite, and how many violations are asked for changes no verdict.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"

namespace coppice {
namespace {

using nlohmann::json;

constexpr int definitions = 3;

// COPPICE_SEED repeats a run.
std::uint64_t choose_seed() {
    const char* given = std::getenv("COPPICE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

class generator {
  public:
    explicit generator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t n) { return random_() % n; }

    json value(int depth) {
        switch (below(depth > 0 ? 8 : 5)) {
        case 0:
            return nullptr;
        case 1:
            return below(2) == 0;
        case 2:
            return static_cast<int>(below(7)) - 2;
        case 3:
            return static_cast<double>(below(14)) / 4 - 1;
        case 4:
            return name();
        case 5:
        case 6: {
            json made = json::object();
            for (auto i = below(4); i > 0; --i) made[name()] = value(depth - 1);
            return made;
        }
        default: {
            json made = json::array();
            for (auto i = below(5); i > 0; --i) made.push_back(value(depth - 1));
            return made;
        }
        }
    }

    json schema(int depth) {
        if (depth == 0 || below(8) == 0) return below(5) != 0;
        json made = json::object();
        for (auto i = 1 + below(4); i > 0; --i) keyword(made, depth - 1);
        return made;
    }

    // Flips, drops or doubles bytes.
    std::string damaged(std::string text) {
        for (auto i = 1 + below(4); i > 0 && !text.empty(); --i) {
            const auto at = below(text.size());
            switch (below(3)) {
            case 0:
                text[at] = static_cast<char>(random_());
                break;
            case 1:
                text.erase(at, 1 + below(5));
                break;
            default:
                text.insert(at, text.substr(at, 1 + below(9)));
            }
        }
        return text;
    }

  private:
    std::string name() { return std::string(1 + below(2), static_cast<char>('a' + below(3))); }

    json list(int depth) {
        json made = json::array();
        for (auto i = 1 + below(3); i > 0; --i) made.push_back(schema(depth));
        return made;
    }

    json map(int depth, const std::vector<std::string>& names) {
        json made = json::object();
        for (const std::string& key : names)
            if (below(2) == 0) made[key] = schema(depth);
        return made;
    }

    void keyword(json& to, int depth) {
        static const std::vector<std::string> one{"not",
                                                  "if",
                                                  "then",
                                                  "else",
                                                  "items",
                                                  "contains",
                                                  "then",
                                                  "else",
                                                  "propertyNames",
                                                  "additionalProperties",
                                                  "unevaluatedItems",
                                                  "unevaluatedProperties",
                                                  "if",
                                                  "contentSchema"};
        static const std::vector<std::string> counts{"minLength",   "maxLength",     "minItems",
                                                     "maxItems",    "minProperties", "maxProperties",
                                                     "minContains", "maxContains"};
        static const std::vector<std::string> bounds{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
        static const std::vector<std::string> types{"null",   "boolean", "object", "array",
                                                    "number", "string",  "integer"};
        switch (below(16)) {
        case 0:
            to["type"] = json::array({types[below(7)]});
            break;
        case 1:
            to["allOf"] = list(depth);
            break;
        case 2:
            to["anyOf"] = list(depth);
            break;
        case 3:
            to["oneOf"] = list(depth);
            break;
        case 4:
        case 5:
            to["properties"] = map(depth, {"a", "b", "c", "aa"});
            break;
        case 6:
            to["patternProperties"] = map(depth, {"^a", "b$", "(a|c)+"});
            break;
        case 7:
            to["prefixItems"] = list(depth);
            break;
        case 8:
            to["enum"] = json::array({value(1), value(1), value(2)});
            break;
        case 9:
            to["required"] = json::array({name()});
            break;
        case 10:
            to[counts[below(counts.size())]] = below(4);
            break;
        case 11:
            to[bounds[below(bounds.size())]] = static_cast<double>(below(10)) / 2 - 2;
            break;
        case 12:
            to["dependentSchemas"] = map(depth, {"a", "b"});
            break;
        case 13:
            to["$ref"] = "#/$defs/" + std::to_string(below(definitions));
            break;
        case 14:
            to[below(2) == 0 ? "uniqueItems" : "pattern"] = true;
            if (to.contains("pattern")) to["pattern"] = "^(a|b*)*$";
            break;
        default:
            to[one[below(one.size())]] = schema(depth);
        }
    }

    std::mt19937_64 random_;
};

json document(generator& make) {
    json defs = json::object();
    for (int i = 0; i < definitions; ++i) defs[std::to_string(i)] = make.schema(3);
    return {{"$defs", defs}, {"$ref", "#/$defs/0"}};
}

json with(json document, const std::string& keyword, json value) {
    document.erase("$ref");
    document[keyword] = std::move(value);
    return document;
}

bool ended_by_budget(const std::vector<violation>& found) {
    return !found.empty() && found.back().message.starts_with("checking ");
}

void hold_laws(generator& make, const json& schema, std::size_t& asked, std::size_t& passed) {
    const json ref = {{"$ref", "#/$defs/0"}};
    const auto plain = compiled_schema::compile(schema.dump());
    if (!plain) return; // a cycle, as a rule
    const auto all = compiled_schema::compile(with(schema, "allOf", json::array({ref, true})).dump());
    const auto any = compiled_schema::compile(with(schema, "anyOf", json::array({false, ref})).dump());
    const auto opposite = compiled_schema::compile(with(schema, "not", ref).dump());
    BOOST_REQUIRE(all && any && opposite);
    for (int i = 0; i < 20; ++i) {
        const json value = make.value(3);
        const auto found = plain->validate(value);
        if (ended_by_budget(found)) continue;
        ++asked;
        passed += found.empty() ? 1U : 0U;
        const std::string told = schema.dump() + " on " + value.dump();
        BOOST_REQUIRE_MESSAGE(plain->validate(value, 1).empty() == found.empty(), told);
        BOOST_REQUIRE_MESSAGE(all->validate(value).empty() == found.empty(), told);
        BOOST_REQUIRE_MESSAGE(any->validate(value).empty() == found.empty(), told);
        BOOST_REQUIRE_MESSAGE(opposite->validate(value).empty() != found.empty(), told);
        for (const violation& v : found) {
            BOOST_REQUIRE(value.contains(json::json_pointer{v.instance_pointer}));
            BOOST_REQUIRE_MESSAGE(!schema.contains("$id") && !v.message.empty(), told);
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(json_schema_fuzz, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(random_schemas_obey_the_laws_of_their_logic) {
    const auto seed = choose_seed();
    generator make{seed};
    std::size_t asked = 0, passed = 0;
    BOOST_TEST_CONTEXT("seed " << seed) {
        for (int i = 0; i < 1'500; ++i) hold_laws(make, document(make), asked, passed);
    }
    std::cout << "json_schema_fuzz: seed " << seed << ", " << asked << " judged, " << passed << " valid\n";
    BOOST_TEST(passed > asked / 20);
    BOOST_TEST(passed < asked);
}

BOOST_AUTO_TEST_CASE(damaged_text_as_schema_or_value_is_refused_or_judged_but_never_crashes) {
    const auto seed = choose_seed();
    generator make{seed};
    BOOST_TEST_CONTEXT("seed " << seed) {
        for (int i = 0; i < 3'000; ++i) {
            const std::string text = make.damaged(document(make).dump());
            const auto schema = compiled_schema::compile(text);
            const auto value = parse_json(make.damaged(make.value(3).dump()));
            if (!schema) BOOST_REQUIRE(parse_json(json(schema.error().detail).dump()).has_value());
            if (schema && value)
                for (const violation& v : schema->validate(*value))
                    BOOST_REQUIRE(parse_json(json(v.message).dump()).has_value());
            if (value) BOOST_REQUIRE(parse_json(canonical_json(*value)).has_value());
        }
    }
    std::cout << "json_schema_fuzz: seed " << seed << " on damaged text\n";
}

BOOST_AUTO_TEST_CASE(any_json_value_as_a_schema_is_refused_or_judges) {
    const auto seed = choose_seed();
    generator make{seed};
    for (int i = 0; i < 2'000; ++i) {
        const auto schema = compiled_schema::compile(make.value(4).dump());
        if (schema) schema->validate(make.value(3));
        BOOST_TEST_REQUIRE((schema.has_value() || !schema.error().detail.empty()), "seed " << seed);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
