// Schemas and payloads made to hurt: each must end quickly, within its budgets, and say so.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"
#include "tests/actors/governance/schema_support.hpp"

namespace coppice {
namespace {

using nlohmann::json;
using schema_test::compiled;
using clock = std::chrono::steady_clock;

// Generous for a sanitizer on a busy machine, yet far below what a quadratic or exponential way would take.
constexpr auto patience = std::chrono::seconds{20};

bool cut_short(const std::vector<violation>& found) {
    return std::ranges::any_of(found, [](const violation& v) { return v.message.find("checking ") == 0; });
}

// d0 refers to d1 twice, d1 to d2 twice, ...: 2^depth visits.
std::string doubling(std::string_view keyword, int depth, std::string_view last) {
    json defs = json::object();
    for (int i = 0; i < depth; ++i) {
        const json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
        defs["d" + std::to_string(i)] = {{std::string{keyword}, json::array({next, next})}};
    }
    defs["d" + std::to_string(depth)] = json::parse(last);
    return json{{"$ref", "#/$defs/d0"}, {"$defs", defs}}.dump();
}

} // namespace

BOOST_AUTO_TEST_SUITE(json_schema_hostile, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(an_exponential_tree_of_branches_ends_in_its_step_budget_and_says_so) {
    const auto start = clock::now();
    BOOST_TEST(cut_short(compiled(doubling("allOf", 40, "true")).validate(json(1))));
    BOOST_TEST(cut_short(compiled(doubling("anyOf", 40, "false")).validate(json(1))));
    BOOST_TEST(cut_short(compiled(doubling("oneOf", 40, "false")).validate(json(1))));
    BOOST_TEST((clock::now() - start < patience));
}

BOOST_AUTO_TEST_CASE(a_budget_used_up_under_a_not_is_no_yes) {
    json schema = json::parse(doubling("allOf", 40, "true"));
    schema["not"] = {{"$ref", "#/$defs/d0"}};
    schema.erase("$ref");
    const auto found = compiled(schema.dump()).validate(json(1));
    BOOST_TEST(cut_short(found));
}

BOOST_AUTO_TEST_CASE(a_chain_of_references_deeper_than_the_bound_is_ended) {
    json defs = json::object();
    for (int i = 0; i < 5'000; ++i) defs["d" + std::to_string(i)] = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    defs["d5000"] = true;
    const auto schema = compiled(json{{"$ref", "#/$defs/d0"}, {"$defs", defs}}.dump());
    BOOST_TEST(cut_short(schema.validate(json(1))));
}

BOOST_AUTO_TEST_CASE(patterns_that_blow_up_elsewhere_take_linear_time) {
    const auto start = clock::now();
    const std::string text(100'000, 'a');
    BOOST_TEST(compiled(R"({"pattern":"^[a-z]*$"})").validate(json(text)).empty());
    BOOST_TEST(compiled(R"({"pattern":"^(a*)*b$"})").validate(json(text)).size() == 1U);
    BOOST_TEST(compiled(R"({"pattern":"^(a|aa)+$"})").validate(json(text + "!")).size() == 1U);
    BOOST_TEST(compiled(R"({"pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"})").validate(json(text)).size() == 1U);
    BOOST_TEST((clock::now() - start < patience));
}

BOOST_AUTO_TEST_CASE(a_huge_pattern_is_refused_or_runs_within_the_budget) {
    const auto refused = [](const std::string& pattern) {
        return !compiled_schema::compile(json{{"pattern", pattern}}.dump()).has_value();
    };
    BOOST_TEST(refused(std::string(limits::json_pattern_size_max + 1, 'a')));
    BOOST_TEST(refused("((a{1,100}){1,100}){1,100}"));
    BOOST_TEST(refused("(\\p{L}{1,500}){2}"));
    BOOST_TEST(refused("((((a{0,900}){0,900}){0,900}){0,900}){0,900}"));
    const auto start = clock::now();
    for (const std::string_view slow : {"^(x+x+)+[^y]{1,200}.{1,50}y$", "[^y]{1,1000}z", "([xa]|..){1,300}z"}) {
        const auto schema = compiled(json{{"items", {{"pattern", slow}}}}.dump());
        BOOST_TEST(!schema.validate(json::array({std::string(100'000, 'x'), std::string(2'000, 'x')})).empty());
    }
    BOOST_TEST(compiled(R"({"pattern":"^\\p{L}+$"})").validate(json(std::string(64, 'x'))).empty());
    BOOST_TEST(compiled(R"({"pattern":"^\\S{1,255}$"})").validate(json("a b")).size() == 1U);
    BOOST_TEST((clock::now() - start < patience));
}

BOOST_AUTO_TEST_CASE(too_many_patterns_or_subschemas_are_refused) {
    json many = json::object();
    for (std::size_t i = 0; i <= limits::json_schema_patterns_max; ++i) many["^p" + std::to_string(i)] = true;
    BOOST_TEST(!compiled_schema::compile(json{{"patternProperties", many}}.dump()).has_value());
    json wide = json::array();
    for (std::size_t i = 0; i <= limits::json_schema_nodes_max; ++i) wide.push_back(true);
    BOOST_TEST(!compiled_schema::compile(json{{"allOf", wide}}.dump()).has_value());
    BOOST_TEST(!compiled_schema::compile("\"" + std::string(limits::json_schema_size_max, 'a') + "\"").has_value());
}

BOOST_AUTO_TEST_CASE(a_deeply_nested_schema_or_payload_is_refused_at_the_door) {
    std::string nested;
    for (int i = 0; i < 10'000; ++i) nested += R"({"not":)";
    BOOST_TEST(!compiled_schema::compile(nested + "true" + std::string(10'000, '}')).has_value());
    // The deepest payload that comes through, on a schema that follows it down with three visits a level.
    const auto schema = compiled(R"({"allOf":[{"anyOf":[{"items":{"$ref":"#"},"type":"array"}]}]})");
    const std::string deepest = std::string(limits::json_depth_max, '[') + std::string(limits::json_depth_max, ']');
    BOOST_TEST(schema.validate(*parse_json(deepest)).empty());
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_items_are_told_unique_without_comparing_all_pairs) {
    const auto start = clock::now();
    const auto schema = compiled(R"({"uniqueItems":true})");
    json items = json::array();
    for (int i = 0; i < 100'000; ++i) items.push_back({{"id", i}, {"even", i % 2 == 0}});
    BOOST_TEST(schema.validate(items).empty());
    items.push_back({{"even", false}, {"id", 77'777.0}});
    const auto found = schema.validate(items);
    BOOST_REQUIRE_EQUAL(found.size(), 1U);
    BOOST_TEST(found[0].message == "the items 77777 and 100000 are equal (an object of 2 properties)");
    BOOST_TEST((clock::now() - start < patience));
}

BOOST_AUTO_TEST_CASE(long_keys_make_no_program_of_their_square) {
    // 60 levels of 2,000-byte keys with thousands of subschemas at the bottom, each as deep in the document.
    std::string open, close;
    for (int i = 0; i < 28; ++i) {
        open += R"({"properties":{")" + std::string(2'000, 'k') + R"(":)";
        close += "}}";
    }
    std::string leaves = R"({"allOf":[true)";
    for (int i = 0; i < 15'000; ++i) leaves += ",true";
    const auto schema = compiled(open + leaves + "]}" + close);
    BOOST_TEST(schema.validate(json(1)).empty());
}

BOOST_AUTO_TEST_CASE(a_long_id_is_not_kept_once_for_each_of_its_anchors) {
    json defs = json::object();
    for (int i = 0; i < 3'000; ++i) defs["d" + std::to_string(i)] = {{"$anchor", "a" + std::to_string(i)}};
    const std::string id = "http://x.example/" + std::string(100'000, 'i');
    BOOST_TEST(!compiled_schema::compile(json{{"$id", id}, {"$defs", defs}}.dump()).has_value());
    BOOST_TEST(compiled_schema::compile(json{{"$id", id.substr(0, 2'000)}, {"$defs", defs}}.dump()).has_value());
}

BOOST_AUTO_TEST_CASE(a_wide_payload_on_unevaluated_and_required_stays_linear) {
    const auto start = clock::now();
    json members = json::object();
    for (int i = 0; i < 50'000; ++i) members["m" + std::to_string(i)] = i;
    const auto schema = compiled(
        R"({"allOf":[{"patternProperties":{"^m[0-9]+$":{"type":"integer"}}},{"anyOf":[{"patternProperties":{"1$":true}},
            {"minProperties":1}]}],"unevaluatedProperties":false})");
    BOOST_TEST(schema.validate(members).empty());
    members["x"] = 1;
    BOOST_TEST(schema.validate(members).size() == 1U);
    BOOST_TEST((clock::now() - start < patience));
}

BOOST_AUTO_TEST_CASE(a_full_payload_of_small_values_stays_well_within_the_budget) {
    std::string text = "[1";
    while (text.size() + 3 < limits::payload_size_max) text += ",1";
    const auto value = parse_json(text + "]");
    BOOST_REQUIRE(value.has_value());
    const auto schema = compiled(R"({"items":{"type":"integer","minimum":0,"anyOf":[{"const":2},{"maximum":5}]}})");
    BOOST_TEST(schema.validate(*value).empty());
}

BOOST_AUTO_TEST_CASE(one_schema_serves_many_threads_at_the_same_time) {
    const auto schema = compiled(R"({"items":{"pattern":"^[a-z]+$","maxLength":8},"uniqueItems":true})");
    const json good = json::array({"abc", "def"});
    const json bad = json::array({"abc", "D", "abc"});
    std::vector<std::thread> threads;
    std::vector<std::size_t> wrong(4, 0);
    for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t, copy = schema] {
            for (int i = 0; i < 500; ++i)
                if (!copy.validate(good).empty() || copy.validate(bad).size() != 2) ++wrong[t];
        });
    for (auto& thread : threads) thread.join();
    for (const std::size_t count : wrong) BOOST_TEST(count == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
