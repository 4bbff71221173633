#include "runtime/config/strict_yaml.hpp"

#include <chrono>

#include "runtime/config/yaml_text.hpp"
#include "schema/limits.hpp"
#include "tests/runtime/config/config_support.hpp"

namespace coppice {

using config_test::check_has;
using config_test::errors_of_yaml;

namespace {

std::vector<yaml_value> good_yaml(std::string_view text) {
    document_errors errors;
    std::vector<yaml_value> documents = parse_yaml(text, "f", errors);
    BOOST_TEST(to_string(errors) == "");
    return documents;
}

yaml_value first(std::string_view text) {
    std::vector<yaml_value> documents = good_yaml(text);
    BOOST_REQUIRE(documents.size() == 1U);
    return std::move(documents.front());
}

scalar_type plain_type(std::string text) {
    yaml_value value;
    value.kind = yaml_kind::scalar;
    value.text = std::move(text);
    return type_of(value);
}

std::string repeated(std::string_view part, std::size_t size) {
    std::string text;
    while (text.size() + part.size() <= size) text += part;
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(strict_yaml)

BOOST_AUTO_TEST_CASE(a_tree_knows_values_and_where_they_stood) {
    const yaml_value root = first("a: 1\nb:\n  - x\n  - \"y z\"\nc: {d: ~}\n");
    BOOST_REQUIRE(root.members.size() == 3U);
    BOOST_TEST(root.find("a")->text == "1");
    BOOST_TEST(!root.find("a")->quoted);
    const yaml_value& list = *root.find("b");
    BOOST_REQUIRE(list.items.size() == 2U);
    BOOST_TEST(list.items[1].text == "y z");
    BOOST_TEST(list.items[1].quoted);
    BOOST_TEST(list.items[1].at.line == 4);
    BOOST_TEST(list.items[1].at.column == 5);
    BOOST_TEST(root.members[2].at.line == 5);
    BOOST_TEST((root.find("c")->find("d")->kind == yaml_kind::null));
    BOOST_TEST(root.find("nothing") == nullptr);
}

BOOST_AUTO_TEST_CASE(several_documents_come_in_order_and_those_that_say_nothing_are_left_out) {
    const std::vector<yaml_value> documents =
        good_yaml("---\na: 1\n---\n---\n# nothing\n--- \nb: 2\n...\n---\nc: 3\n");
    BOOST_REQUIRE(documents.size() == 3U);
    BOOST_TEST(documents[1].members[0].key == "b");
    BOOST_TEST(documents[2].at.line == 10);
    BOOST_TEST(good_yaml("").empty());
    BOOST_TEST(good_yaml("# only a comment\n").empty());
}

BOOST_AUTO_TEST_CASE(block_scalars_folded_and_escaped_strings_are_strings) {
    const yaml_value root = first("a: |\n  123\nb: >-\n  x\n  y\nc: \"\\u00e9\\n\"\nd: '12'\n");
    BOOST_TEST(root.find("a")->text == "123\n");
    BOOST_TEST(root.find("a")->quoted);
    BOOST_TEST(root.find("b")->text == "x y");
    BOOST_TEST(root.find("c")->text == "\xc3\xa9\n");
    BOOST_TEST(root.find("d")->quoted);
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_and_carriage_returns_with_newlines_are_taken) {
    const yaml_value root = first("\xef\xbb\xbf"
                                  "a: 1\r\nb: 2\r\n");
    BOOST_TEST(root.find("a")->text == "1");
    BOOST_TEST(root.find("b")->text == "2");
}

BOOST_AUTO_TEST_CASE(a_duplicate_key_is_refused_and_both_lines_are_named) {
    const std::string errors = errors_of_yaml("a: 1\nb:\n  c: 1\n  \"c\": 2\na: 3\n");
    BOOST_TEST(errors == "f:4:3: the key \"c\" is here for the second time; the first is on line 3\n"
                         "f:5:1: the key \"a\" is here for the second time; the first is on line 1");
}

BOOST_AUTO_TEST_CASE(anchors_aliases_merge_keys_and_tags_are_refused) {
    check_has(errors_of_yaml("a: &x [*x]\n"), "f:1:4: an anchor");
    check_has(errors_of_yaml("a: &x [*x]\n"), "f:1:8: an alias");
    check_has(errors_of_yaml("a: &x\nb: 1\n"), "an anchor");
    check_has(errors_of_yaml("a: *unknown\n"), "f:1:4: an anchor or alias");
    check_has(errors_of_yaml("&x a: 1\n"), "an anchor");
    check_has(errors_of_yaml("a: &x 1\n*x : 2\n"), "an alias");
    check_has(errors_of_yaml("<<: {a: 1}\n"), "f:1:1: a merge key");
    BOOST_TEST(first("\"<<\": 1\n").members[0].key == "<<");
    for (const char* tagged : {"a: !!str 1\n", "a: !!int \"1\"\n", "a: ! 1\n", "a: !x {b: 1}\n", "a: !!seq []\n",
                               "a: !<x> b\n", "a: !!str\n", "a: !\n", "!!map {a: 1}\n", "! {a: 1}\n", "!x a: 1\n"})
        check_has(errors_of_yaml(tagged), "a tag (!)");
}

BOOST_AUTO_TEST_CASE(keys_that_are_no_strings_are_refused_and_reading_goes_on) {
    check_has(errors_of_yaml("? [a]\n: 1\nb: 1\nb: 2\n"), "f:1:3: a key must be a string");
    check_has(errors_of_yaml("? [a]\n: 1\nb: 1\nb: 2\n"), "f:4:1: the key \"b\"");
    check_has(errors_of_yaml("{{a: 1}: 2}\n"), "a key must be a string");
    check_has(errors_of_yaml("~: 1\n"), "a key is missing here, or is null");
    check_has(errors_of_yaml(": 1\n"), "a key is missing here");
    check_has(errors_of_yaml("\"a\\0b\": 1\n"), "a key must not contain NUL");
}

BOOST_AUTO_TEST_CASE(what_yaml_cpp_takes_in_silence_is_refused) {
    check_has(errors_of_yaml("[a] b\n"), "f:1:5: this belongs to nothing");
    check_has(errors_of_yaml("{\"a\":1} {\"b\":2}\n"), "this belongs to nothing");
    check_has(errors_of_yaml("- a\nb: c\n"), "f:2:1: this belongs to nothing");
    check_has(errors_of_yaml("[1,,2]\n"), "f:1:4: an empty element");
    check_has(errors_of_yaml("{a: 1, , b: 2}\n"), "a key is missing");
    check_has(errors_of_yaml("{a: 1, b}\n"), "an empty element");
    check_has(errors_of_yaml("a: 1\nb\n"), "the key \"b\" has neither");
    BOOST_TEST(errors_of_yaml(",\n") == "f:1:1: not valid YAML: nothing can begin with this");
    check_has(errors_of_yaml("a: 1\n---\n,\n"), "f:3:1: not valid YAML");
    check_has(errors_of_yaml("a: \"b\nc: d\n"), "f:1:4: this quote never closes");
    check_has(errors_of_yaml("a: 'it''s\n"), "f:1:4: this quote never closes");
    check_has(errors_of_yaml("a: \"b\\\"\n"), "this quote never closes");
    BOOST_TEST(first("a: 'it''s'").find("a")->text == "it's");
    BOOST_TEST(first("a: \"b\\\"\"").find("a")->text == "b\"");
}

BOOST_AUTO_TEST_CASE(what_is_no_yaml_is_refused_with_its_place) {
    for (const char* text :
         {"a: [b\n", "a: {b: 1\n", "a: b: c\n", "a: - b\n", "a: 'b'c\n", "]\n", "a: @b\n", "a: `b`\n",
          "a: |x\n  b\n", "a: \"\\q\"\n", "a:\n  b: 1\n c: 2\n", "a: \"\\ud83d\\ude00\"\n"}) {
        check_has(errors_of_yaml(text), "not valid YAML");
        check_has(errors_of_yaml(text), "f:");
    }
    check_has(errors_of_yaml("ok: 1\na: b: c\n"), "f:2:5: not valid YAML");
}

BOOST_AUTO_TEST_CASE(texts_that_are_not_printable_utf8_are_refused) {
    const auto nul = std::string{"a: b\0c\n", 7};
    check_has(errors_of_yaml(nul), "f:1:5: a NUL byte");
    for (const char* text : {"a: \xff\n", "a: \xc0\x80\n", "a: \xed\xa0\x80\n", "a: \xf4\x90\x80\x80\n",
                             "a: \xe2\x82", "\xfe\xff", "a: \x80\n"})
        check_has(errors_of_yaml(text), "not UTF-8");
    for (const char* text :
         {"a: b\x04\nc: d\n", "a: \x1b[31m\n", "a: \x7f\n", "a: \xc2\x85\xc2\x80\n", "a: \xef\xbb\xbf\n"})
        check_has(errors_of_yaml(text), "a control character");
    check_has(errors_of_yaml("a: b\rc: d\r"), "a carriage return without");
    check_has(errors_of_yaml("a: \"\\0\"\n"), "f:1:4: a string must not contain NUL");
}

BOOST_AUTO_TEST_CASE(tabs_that_indent_and_directives_are_refused) {
    check_has(errors_of_yaml("a:\n\tb: 1\n"), "f:2:1: a tab indents");
    check_has(errors_of_yaml("a:\n  \t- b\n"), "a tab indents");
    check_has(errors_of_yaml("-\ta: 1\n"), "a tab indents");
    BOOST_TEST(first("a:\t1\n \t \nb: 'x\ty'\n\t# comment\n").find("b")->text == "x\ty");
    check_has(errors_of_yaml("%YAML 1.1\n---\na: 1\n"), "f:1:1: a directive");
    check_has(errors_of_yaml("a: 1\n---\nb: 1\n...\n%TAG ! x\n---\n"), "f:5:1: a directive");
}

BOOST_AUTO_TEST_CASE(depth_is_bounded_and_the_bound_itself_is_reached) {
    const std::size_t most = limits::json_depth_max;
    good_yaml(std::string(most, '[') + std::string(most, ']'));
    const std::string errors = errors_of_yaml(std::string(most + 1, '[') + std::string(most + 1, ']'));
    BOOST_TEST(errors == "f:1:65: is nested deeper than 64 levels");
    std::string block;
    for (std::size_t i = 0; i < 600; ++i) block += std::string(i, ' ') + "a:\n";
    BOOST_TEST(errors_of_yaml(block) == "f:65:65: is nested deeper than 64 levels");
    check_has(errors_of_yaml(repeated("- ", 4000)), "nested deeper");
    check_has(errors_of_yaml(repeated("? ", 4000)), "nested deeper");
}

BOOST_AUTO_TEST_CASE(what_follows_a_value_that_is_too_deep_is_still_read) {
    const std::string deep = std::string(80, '[') + std::string(80, ']');
    const std::string errors = errors_of_yaml("a: " + deep + "\nb: 1\nb: 2\n---\nc: 1\nc: 2\n");
    check_has(errors, "nested deeper");
    check_has(errors, "f:3:1: the key \"b\"");
    check_has(errors, "f:6:1: the key \"c\"");
}

BOOST_AUTO_TEST_CASE(a_text_or_a_number_of_values_over_its_bound_is_refused) {
    check_has(errors_of_yaml(std::string(limits::document_size_max + 1, '#')), "larger than 1 MiB");
    BOOST_TEST(good_yaml(std::string(limits::document_size_max, '#')).empty());
    check_has(errors_of_yaml(repeated("- a\n", limits::yaml_values_max * 5)), "more than 100000 values");
    BOOST_TEST(first(repeated("- a\n", (limits::yaml_values_max - 1) * 4)).items.size() ==
               limits::yaml_values_max - 1);
    check_has(errors_of_yaml(repeated("[]\n", limits::yaml_brackets_max * 4)), "opening brackets");
}

BOOST_AUTO_TEST_CASE(a_megabyte_of_anything_ends_soon_without_a_crash) {
    const auto begin = std::chrono::steady_clock::now();
    for (const char* part :
         {"[",    "{",   "- ",  "? ",    ": ",   "\"",      "'",      "a: ",      "a:\n",    "!",   "! ", "&a ",
          "&a [", "*a ", "|\n", "a\n",   "[a,",  "{a: ",    "[\n",    "---\n",    "--- a\n", "[] ", "}",  "- [",
          "\\",   "%",   "# ",  "...\n", "<<: ", "{\"a\":", "a: b\n", "\xc3\xa9", "\t",      ">\n"}) {
        document_errors errors;
        parse_yaml(repeated(part, limits::document_size_max), "f", errors);
        BOOST_TEST(errors.list.size() <= limits::document_errors_max);
    }
    const auto taken = std::chrono::steady_clock::now() - begin;
    // Generous: sanitizers slow this down. Anything quadratic would take hours.
    BOOST_TEST((taken < std::chrono::minutes{2}));
}

BOOST_AUTO_TEST_CASE(errors_over_their_bound_are_counted) {
    document_errors errors;
    parse_yaml(repeated("a: 1\n", 5 * 301), "f", errors);
    BOOST_TEST(errors.list.size() == limits::document_errors_max);
    BOOST_TEST(errors.unreported == 200U);
    check_has(to_string(errors), "\nand 200 more errors");
}

BOOST_AUTO_TEST_CASE(plain_scalars_have_the_types_of_the_core_schema) {
    for (const char* text : {"true", "True", "TRUE", "false", "False", "FALSE"})
        BOOST_TEST((plain_type(text) == scalar_type::boolean), text);
    for (const char* text :
         {"yes", "no", "on", "off", "y",  "n",   "tRUE", "12:30", "1_000", "0b1",        "1.2.3", "-",
          "+",   ".",  "e3", "1e",  "0x", "0o8", "-0x1", "90s",   "inf",   "2026-01-01", "",      " 1"})
        BOOST_TEST((plain_type(text) == scalar_type::string), text);
    for (const char* text : {"0", "-0", "+12", "123456789012345678901234567890"})
        BOOST_TEST((plain_type(text) == scalar_type::integer), text);
    for (const char* text : {"010", "-007", "00", "01.5"})
        BOOST_TEST((plain_type(text) == scalar_type::leading_zero), text);
    for (const char* text : {"1.5", ".5", "-1.", "1e3", "1.5E-3", "0.1", "0e0"})
        BOOST_TEST((plain_type(text) == scalar_type::floating), text);
    for (const char* text : {".inf", "-.Inf", "+.INF", ".nan", ".NaN"})
        BOOST_TEST((plain_type(text) == scalar_type::infinite), text);
    BOOST_TEST((plain_type("0x1F") == scalar_type::hexadecimal));
    BOOST_TEST((plain_type("0o17") == scalar_type::octal));
}

BOOST_AUTO_TEST_CASE(utf8_is_told_from_what_looks_like_it) {
    char32_t c = 0;
    BOOST_TEST(utf8_sequence("\xf0\x9f\x98\x80", c) == 4U);
    BOOST_TEST(static_cast<std::uint32_t>(c) == 0x1f600U);
    for (const char* bad : {"", "\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80",
                            "\xed\xbf\xbf", "\xe2\x82"})
        BOOST_TEST(utf8_sequence(bad, c) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
