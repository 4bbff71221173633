#include <boost/test/unit_test.hpp>
#include <chrono>
#include <iostream>
#include <random>
#include <string>

#include "actors/governance/bounded_json.hpp"

namespace coppice {
namespace {

using nlohmann::json;

std::string text_refusal(std::string_view text, const json_bounds& bounds = {}) {
    const auto value = parse_json(text, bounds);
    return value ? "accepted as " + canonical_json(*value) : value.error().detail;
}

std::string canonical(std::string_view text) {
    const auto value = parse_json(text);
    return value ? canonical_json(*value) : value.error().detail;
}

json random_value(std::mt19937_64& random, int depth) {
    switch (random() % (depth > 0 ? 9 : 6)) {
    case 0:
        return nullptr;
    case 1:
        return random() % 2 == 0;
    case 2:
        return static_cast<std::int64_t>(random());
    case 3:
        return random();
    case 4:
        return static_cast<double>(random()) / 1e7 * (random() % 2 == 0 ? -1 : 1e-30);
    case 5: {
        std::string text;
        for (auto i = random() % 6; i > 0; --i) text += static_cast<char>(random() % 128);
        return text;
    }
    default: {
        const bool object = random() % 2 == 0;
        json made = object ? json::object() : json::array();
        for (auto i = random() % 5; i > 0; --i) {
            if (object)
                made["k" + std::to_string(random() % 100)] = random_value(random, depth - 1);
            else
                made.push_back(random_value(random, depth - 1));
        }
        return made;
    }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(bounded_json)

BOOST_AUTO_TEST_CASE(a_refusal_says_where_and_what) {
    BOOST_TEST(text_refusal("{\"a\":1,\n \"a\":2}") == "line 2, column 4: the key \"a\" is there twice");
    BOOST_TEST(text_refusal("[1,\n2,,3]") == "line 2, column 3: unexpected ','; expected '[', '{', or a literal");
    BOOST_TEST(text_refusal("\"\xff\"") == "line 1, column 2: invalid string: ill-formed UTF-8 byte");
    BOOST_TEST(text_refusal("[1e999]") == "line 1, column 7: a number is beyond the range of double");
    BOOST_TEST(text_refusal("").starts_with("line 1, column 1: "));
    for (const std::string_view text : {"{", "[1,]", "{\"a\"}", "{'a':1}", "nul", "1 2", "\"\\ud800\"", "\"\\x\"",
                                        "01", "+1", "NaN", "\"a\nb\"", "// a\n1", "\xc0\xaf", "\"\xed\xa0\x80\""})
        BOOST_CHECK_MESSAGE(text_refusal(text).starts_with("line "), text << " was " << text_refusal(text));
}

BOOST_AUTO_TEST_CASE(an_integer_that_would_become_another_number_is_refused) {
    BOOST_TEST(text_refusal("18446744073709551615") == "accepted as 18446744073709551615");
    BOOST_TEST(text_refusal("18446744073709551616").find("does not fit in 64 bits") != std::string::npos);
    BOOST_TEST(text_refusal("-9223372036854775808") == "accepted as -9223372036854775808");
    BOOST_TEST(text_refusal("-9223372036854775809").find("does not fit in 64 bits") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(depth_size_and_number_of_values_are_bounded_at_the_bound) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    BOOST_TEST(text_refusal(nested(limits::json_depth_max)).starts_with("accepted"));
    BOOST_TEST(text_refusal(nested(limits::json_depth_max + 1)) == "line 1, column 65: nested deeper than 64");
    BOOST_TEST(text_refusal("[1,2,3]", {.values_max = 4}).starts_with("accepted"));
    BOOST_TEST(text_refusal("[1,2,3]", {.values_max = 3}) == "line 1, column 7: more than 3 values");
    BOOST_TEST(text_refusal("[1,2,3]", {.size_max = 7}).starts_with("accepted"));
    const auto large = parse_json("[1,2,3]", {.size_max = 6});
    BOOST_REQUIRE(!large.has_value());
    BOOST_TEST((large.error().code == errc::payload_too_large));
}

BOOST_AUTO_TEST_CASE(a_megabyte_of_brackets_or_commas_ends_at_once) {
    const std::size_t size = limits::document_size_max;
    BOOST_TEST(text_refusal(std::string(size, '[')).find("nested deeper") != std::string::npos);
    std::string zeros = "[0";
    while (zeros.size() + 2 < size) zeros += ",0";
    BOOST_TEST(text_refusal(zeros + "]").find("more than 200000 values") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(all_spellings_of_a_value_have_one_canonical_text) {
    BOOST_TEST(canonical(" { \"b\" : [ 1.0 , 1e2, -0.0, 0.5 ] , \"a\" : \"\\u00e9\\/\" } ") ==
               "{\"a\":\"\u00e9/\",\"b\":[1,100,0,0.5]}");
    BOOST_TEST(canonical("\"\\u0008\\u0009\\n\\u000b\\f\\r\\u001f\\\"\\\\\"") == R"("\b\t\n\u000b\f\r\u001f\"\\")");
    BOOST_TEST(canonical("[9007199254740993,9007199254740992]") == "[9007199254740993,9007199254740992]");
    BOOST_TEST(canonical("[[],{},null,true,false]") == "[[],{},null,true,false]");
    BOOST_TEST(canonical("1e-7") == "1e-07");
}

BOOST_AUTO_TEST_CASE(canonical_text_reads_back_as_itself) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 5'000; ++i) {
        const std::string text = canonical_json(random_value(random, 4));
        BOOST_REQUIRE_MESSAGE(canonical(text) == text,
                              "seed " << seed << ": " << text << " gave " << canonical(text));
    }
}

BOOST_AUTO_TEST_CASE(an_excerpt_is_short_and_whole_utf8) {
    const std::string text(100, 'a');
    BOOST_TEST(excerpt(json(text)).size() < 80U);
    std::string wide;
    for (int i = 0; i < 50; ++i) wide += "\u00e9\u20ac";
    const auto cut = excerpt(json(wide));
    BOOST_TEST(parse_json(cut.substr(0, cut.size() - 3)).has_value());
    BOOST_TEST(excerpt(json::array({1})) == "an array of 1 item");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
