// What the Debian suite does not have: the keywords of 2020-12, messages and pointers, exact numbers, refusals.
#include <array>
#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"
#include "tests/actors/governance/schema_support.hpp"

namespace coppice {
namespace {

using nlohmann::json;
using schema_test::compiled;

json value_of(std::string_view text) {
    auto value = parse_json(text);
    BOOST_REQUIRE_MESSAGE(value.has_value(), text);
    return std::move(*value);
}

bool valid(std::string_view schema, std::string_view instance) {
    return compiled(schema).validate(value_of(instance)).empty();
}

std::string schema_refusal(std::string_view schema) {
    const auto made = compiled_schema::compile(schema);
    if (made) return "accepted";
    BOOST_TEST((made.error().code == errc::schema_invalid));
    return made.error().detail;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

struct judged {
    std::string_view schema, instance;
    bool valid;
};

constexpr std::array cases{
    // prefixItems, items, contains
    judged{R"({"prefixItems":[{"type":"integer"}],"items":false})", "[1]", true},
    judged{R"({"prefixItems":[{"type":"integer"}],"items":false})", "[1,2]", false},
    judged{R"({"prefixItems":[{"type":"integer"}],"items":{"type":"string"}})", R"([1,"a"])", true},
    judged{R"({"prefixItems":[{"type":"integer"}],"items":{"type":"string"}})", R"([1,2])", false},
    judged{R"({"prefixItems":[true,{"type":"integer"}]})", R"([1,"a"])", false},
    judged{R"({"contains":{"const":1},"minContains":2})", "[1,0,1]", true},
    judged{R"({"contains":{"const":1},"minContains":2})", "[1,0]", false},
    judged{R"({"contains":{"const":1},"maxContains":1})", "[1,1]", false},
    judged{R"({"contains":{"const":1},"minContains":0})", "[]", true},
    judged{R"({"contains":{"const":1}})", "[]", false},
    judged{R"({"minContains":2})", "[]", true},
    // dependent*
    judged{R"({"dependentRequired":{"a":["b"]}})", R"({"a":1})", false},
    judged{R"({"dependentRequired":{"a":["b"]}})", R"({"a":1,"b":2})", true},
    judged{R"({"dependentSchemas":{"a":{"maxProperties":1}}})", R"({"a":1,"b":2})", false},
    judged{R"({"dependentSchemas":{"a":{"maxProperties":1}}})", R"({"b":1,"c":2})", true},
    // $ref has siblings, anchors, ids, percent and tilde escapes
    judged{R"({"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":1}}})", "6", false},
    judged{R"({"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":1}}})", "0", false},
    judged{R"({"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":1}}})", "3", true},
    judged{R"({"$ref":"#here","$defs":{"a":{"$anchor":"here","type":"null"}}})", "1", false},
    judged{R"({"$id":"http://x.example/root/","$ref":"item","$defs":{"a":{"$id":"item","type":"null"}}})", "1",
           false},
    judged{R"({"$id":"http://x.example/a/b","$ref":"../c#/$defs/d",
               "$defs":{"a":{"$id":"/c","$defs":{"d":{"type":"null"}}}}})",
           "1", false},
    judged{R"({"$id":"urn:example:root","$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}})", "null", true},
    judged{R"({"$ref":"#/$defs/a~1b%25","$defs":{"a/b%":{"type":"null"}}})", "1", false},
    judged{R"({"$ref":"#/x/y","x":{"y":{"type":"null"}}})", "1", false},
    judged{R"({"$ref":"#/x/0","x":[{"type":"null"}]})", "1", false},
    judged{R"({"const":{"$ref":"#/nowhere"}})", R"({"$ref":"#/nowhere"})", true},
    judged{R"({"enum":[{"$id":"http://x.example/z"}],"$ref":"#/$defs/a","$defs":{"a":true}})", "1", false},
    // recursion that makes progress
    judged{R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})", R"({"v":1,"next":{"v":2,"next":{}}})",
           false},
    judged{R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})", R"({"v":1,"next":{"v":2}})", true},
    // $dynamicRef: the extensible tree of core 8.2.3.2, with and without the strict root
    judged{R"({"$id":"http://x.example/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,
               "$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object",
                 "properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}}})",
           R"({"children":[{"daat":1}]})", false},
    judged{R"({"$id":"http://x.example/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,
               "$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object",
                 "properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}}})",
           R"({"children":[{"data":1}]})", true},
    judged{R"({"$id":"http://x.example/loose","$ref":"tree",
               "$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object",
                 "properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}}})",
           R"({"children":[{"daat":1}]})", true},
    judged{R"({"$dynamicRef":"#plain","$defs":{"a":{"$anchor":"plain","type":"null"}}})", "1", false},
    // unevaluatedProperties
    judged{R"({"properties":{"a":true},"unevaluatedProperties":false})", R"({"a":1})", true},
    judged{R"({"properties":{"a":true},"unevaluatedProperties":false})", R"({"a":1,"b":1})", false},
    judged{R"({"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false})", R"({"a":1})", true},
    judged{R"({"allOf":[{"properties":{"a":true}},{"unevaluatedProperties":false}]})", R"({"a":1})", false},
    judged{R"({"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
                        {"properties":{"b":{"const":1}},"required":["b"]}],"unevaluatedProperties":false})",
           R"({"a":1,"b":1})", true},
    judged{R"({"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
                        {"properties":{"b":{"const":1}},"required":["b"]}],"unevaluatedProperties":false})",
           R"({"a":1,"b":2})", false},
    judged{R"({"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"properties":{"b":true}},
               "else":{"properties":{"c":true}},"unevaluatedProperties":false})",
           R"({"a":1,"b":1})", true},
    judged{R"({"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"properties":{"b":true}},
               "else":{"properties":{"c":true}},"unevaluatedProperties":false})",
           R"({"c":1,"b":1})", false},
    judged{R"({"not":{"not":{"properties":{"a":true}}},"unevaluatedProperties":false})", R"({"a":1})", false},
    judged{R"({"dependentSchemas":{"a":{"properties":{"b":true}}},"properties":{"a":true},
               "unevaluatedProperties":false})",
           R"({"a":1,"b":1})", true},
    judged{R"({"$ref":"#/$defs/x","unevaluatedProperties":false,"$defs":{"x":{"patternProperties":{"^a":true}}}})",
           R"({"ab":1})", true},
    judged{R"({"allOf":[{"additionalProperties":{"type":"integer"}}],"unevaluatedProperties":false})", R"({"z":1})",
           true},
    judged{R"({"allOf":[{"unevaluatedProperties":true}],"unevaluatedProperties":false})", R"({"z":1})", true},
    judged{R"({"unevaluatedProperties":{"type":"integer"}})", R"({"z":"a"})", false},
    judged{R"({"properties":{"a":{"properties":{"x":true}}},"unevaluatedProperties":false})", R"({"a":1,"x":1})",
           false},
    // unevaluatedItems
    judged{R"({"prefixItems":[true],"unevaluatedItems":false})", "[1]", true},
    judged{R"({"prefixItems":[true],"unevaluatedItems":false})", "[1,2]", false},
    judged{R"({"items":true,"unevaluatedItems":false})", "[1,2]", true},
    judged{R"({"contains":{"const":1},"unevaluatedItems":{"const":2}})", "[2,1,2,1]", true},
    judged{R"({"contains":{"const":1},"unevaluatedItems":{"const":2}})", "[2,1,3]", false},
    judged{R"({"allOf":[{"prefixItems":[true,true]}],"prefixItems":[true],"unevaluatedItems":false})", "[1,2]",
           true},
    judged{R"({"allOf":[{"prefixItems":[true,true]}],"unevaluatedItems":false})", "[1,2,3]", false},
    judged{
        R"({"oneOf":[{"prefixItems":[{"const":1}]},{"prefixItems":[{"const":2},true]}],"unevaluatedItems":false})",
        "[1,9]", false},
    judged{
        R"({"oneOf":[{"prefixItems":[{"const":1}]},{"prefixItems":[{"const":2},true]}],"unevaluatedItems":false})",
        "[2,9]", true},
    // annotations do not assert; unknown keywords are ignored
    judged{R"({"format":"email","contentEncoding":"base64","contentMediaType":"a/b"})", R"("%")", true},
    judged{R"({"additionalItems":false,"whatever":5})", "[1]", true},
    // draft-07 by $schema
    judged{R"({"$schema":"http://json-schema.org/draft-07/schema#","items":[true],"additionalItems":false})",
           "[1,2]", false},
    judged{R"({"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","maximum":1,
               "definitions":{"a":{"type":"integer"}}})",
           "5", true},
    judged{R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"null"})", "1", false},
    // strings count code points; patterns search
    judged{R"({"maxLength":2})", R"("\ud83d\udca9\u00e9")", true},
    judged{R"({"pattern":"b+"})", R"("abc")", true},
    judged{R"({"pattern":"^\\u00e9\\s\\p{Letter}$"})", "\"\u00e9\u00a0x\"", true},
    judged{R"({"pattern":"^[[:a]+$"})", R"("[:a")", true},
    judged{R"({"pattern":"^a$"})", R"("a\n")", false},
    judged{R"({"pattern":"^.$"})", "\"\u2028\"", false},
    judged{R"({"pattern":"^(?<year>\\d{4})-[^]$"})", "\"2026-\\n\"", true},
    judged{R"({"pattern":"^[^\\S ]$"})", R"("\t")", true},
    judged{R"({"pattern":"^\\ud83d\\udca9$"})", R"("\ud83d\udca9")", true},
};

} // namespace

BOOST_AUTO_TEST_SUITE(json_schema_behaviour)

BOOST_AUTO_TEST_CASE(each_keyword_judges_as_the_specification_says) {
    for (const judged& c : cases)
        BOOST_CHECK_MESSAGE(valid(c.schema, c.instance) == c.valid, c.schema << c.instance);
}

BOOST_AUTO_TEST_CASE(numbers_compare_as_written_beyond_the_53_bits_of_a_double) {
    constexpr std::string_view maximum = R"({"maximum":9007199254740992})";
    BOOST_TEST(valid(maximum, "9007199254740992"));
    BOOST_TEST(!valid(maximum, "9007199254740993"));
    BOOST_TEST(!valid(R"({"const":18446744073709551615})", "18446744073709551614"));
    BOOST_TEST(!valid(R"({"const":18446744073709551615})", "-1"));
    BOOST_TEST(valid(R"({"const":-9223372036854775808})", "-9223372036854775808"));
    BOOST_TEST(!valid(R"({"exclusiveMaximum":9007199254740993})", "9007199254740993"));
    BOOST_TEST(valid(R"({"exclusiveMinimum":9007199254740992.0})", "9007199254740993"));
    BOOST_TEST(valid(R"({"maximum":1e300})", "18446744073709551615"));
    BOOST_TEST(!valid(R"({"minimum":-0.5})", "-1"));
    BOOST_TEST(valid(R"({"minimum":-0.5})", "0"));
    BOOST_TEST(valid(R"({"type":"integer","const":1})", "1.0"));
    BOOST_TEST(!valid(R"({"type":"integer"})", "1.5"));
    BOOST_TEST(valid(R"({"type":"integer"})", "1e300"));
    BOOST_TEST(!valid(R"({"uniqueItems":true})", "[1,2,3,4,5,6,7,1.0]"));
    BOOST_TEST(valid(R"({"uniqueItems":true})", "[1,true,\"1\",[1],{\"1\":1},null,0,false,[0],[]]"));
}

BOOST_AUTO_TEST_CASE(a_multiple_is_decided_in_decimal_not_in_binary) {
    BOOST_TEST(valid(R"({"multipleOf":0.01})", "4.35"));
    BOOST_TEST(valid(R"({"multipleOf":0.01})", "0.07"));
    BOOST_TEST(valid(R"({"multipleOf":0.01})", "1234567890123.45"));
    BOOST_TEST(!valid(R"({"multipleOf":0.01})", "4.351"));
    BOOST_TEST(valid(R"({"multipleOf":0.0001})", "0.0075"));
    BOOST_TEST(valid(R"({"multipleOf":1e-8})", "12391239123"));
    BOOST_TEST(valid(R"({"multipleOf":0.5})", "1e308"));
    BOOST_TEST(!valid(R"({"multipleOf":0.123456789})", "1e308"));
    BOOST_TEST(!valid(R"({"multipleOf":1e300})", "1"));
    BOOST_TEST(valid(R"({"multipleOf":1e-300})", "1"));
    BOOST_TEST(valid(R"({"multipleOf":3})", "-9007199254740990.0"));
    BOOST_TEST(!valid(R"({"multipleOf":2})", "9007199254740993"));
    BOOST_TEST(valid(R"({"multipleOf":7})", "0"));
}

BOOST_AUTO_TEST_CASE(a_violation_says_where_which_rule_and_what_it_met) {
    const auto schema = compiled(R"({"type":"object","required":["name"],"additionalProperties":false,
        "properties":{"size":{"$ref":"#/$defs/size"},"name":{"type":"string"},
                      "a/b":{"items":{"enum":["x","y"]}}},"$defs":{"size":{"maximum":10}}})");
    const auto found = schema.validate(value_of(R"({"size":12,"a/b":["x","z"],"other":1})"));
    const std::vector<violation> wanted{
        {"/a~1b/1", "/properties/a~1b/items/enum", R"(/a~1b/1: "z" is not one of "x", "y")"},
        {"/other", "/additionalProperties", R"(/other: the property "other" is not among those allowed)"},
        {"/size", "/$defs/size/maximum", "/size: 12 is more than the maximum 10"},
        {"", "/required", R"(the required property "name" is missing)"}};
    BOOST_REQUIRE_EQUAL(found.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        BOOST_TEST(found[i].instance_pointer == wanted[i].instance_pointer);
        BOOST_TEST(found[i].schema_pointer == wanted[i].schema_pointer);
        BOOST_TEST(found[i].message == wanted[i].message);
    }
    BOOST_TEST(schema.validate(value_of("5")).front().message == "5 is of type integer, where object is expected");
}

BOOST_AUTO_TEST_CASE(a_failed_any_of_tells_what_its_branches_had_against_the_value) {
    const auto found = compiled(R"({"anyOf":[{"type":"null"},{"minimum":3}]})").validate(value_of("2"));
    BOOST_REQUIRE_EQUAL(found.size(), 1U);
    BOOST_TEST(found[0].message ==
               "2 meets none of the 2 schemas of anyOf: (0) 2 is of type integer, where null is "
               "expected; (1) 2 is less than the minimum 3");
}

BOOST_AUTO_TEST_CASE(no_more_violations_are_told_than_were_asked_for) {
    const auto schema = compiled(R"({"items":{"type":"null"}})");
    BOOST_TEST(schema.validate(value_of("[1,2,3,4,5]"), 3).size() == 3U);
    BOOST_TEST(schema.validate(value_of("[1,2,3,4,5]"), 0).size() == 1U);
    BOOST_TEST(schema.validate(value_of("[1,2,3,4,5]")).size() == 5U);
}

BOOST_AUTO_TEST_CASE(a_keyword_of_the_wrong_type_is_refused_with_its_place) {
    BOOST_TEST(schema_refusal(R"({"properties":{"a":{"minLength":"x"}}})") ==
               R"(/properties/a/minLength: must be an integer of at least 0, but is "x")");
    for (const std::string_view schema : {R"({"type":"text"})",
                                          R"({"type":[]})",
                                          R"({"type":["null","null"]})",
                                          R"({"type":1})",
                                          R"({"minLength":-1})",
                                          R"({"maxItems":1.5})",
                                          R"({"minimum":"1"})",
                                          R"({"multipleOf":0})",
                                          R"({"multipleOf":-1})",
                                          R"({"multipleOf":0.0})",
                                          R"({"required":"a"})",
                                          R"({"required":["a","a"]})",
                                          R"({"required":[1]})",
                                          R"({"properties":[]})",
                                          R"({"properties":{"a":1}})",
                                          R"({"items":[{}]})",
                                          R"({"allOf":[]})",
                                          R"({"anyOf":{}})",
                                          R"({"oneOf":[1]})",
                                          R"({"not":null})",
                                          R"({"enum":1})",
                                          R"({"pattern":1})",
                                          R"({"patternProperties":{"(":{}}})",
                                          R"({"uniqueItems":1})",
                                          R"({"$ref":1})",
                                          R"({"$id":1})",
                                          R"({"$anchor":1})",
                                          R"({"title":1})",
                                          R"({"format":1})",
                                          R"({"deprecated":"x"})",
                                          R"({"$defs":[]})",
                                          R"({"$defs":{"a":3}})",
                                          R"({"dependentRequired":{"a":"b"}})",
                                          R"({"prefixItems":[]})",
                                          R"({"examples":1})",
                                          R"([])",
                                          R"(1)",
                                          R"("x")",
                                          R"(null)",
                                          R"({"$recursiveRef":"#"})"})
        BOOST_CHECK_MESSAGE(schema_refusal(schema) != "accepted", schema);
    BOOST_TEST(schema_refusal(R"({"minLength":2.0})") == "accepted");
}

BOOST_AUTO_TEST_CASE(a_reference_out_of_the_document_is_refused_by_name) {
    BOOST_TEST(
        schema_refusal(R"({"items":{"$ref":"http://x.example/y.json"}})") ==
        R"(/items/$ref: "http://x.example/y.json" is not in this document, and only references within it are followed)");
    BOOST_TEST(has(schema_refusal(R"({"$ref":"other.json"})"), "other.json"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#/$defs/none"})"), "leads to nothing"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#none"})"), "anchor"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#/%zz"})"), "not a URI reference"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#/%ff"})"), "not a URI reference"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#/a~2"})"), "not a JSON Pointer"));
    BOOST_TEST(has(schema_refusal(R"({"$ref":"#/const","const":5})"), "a schema must be"));
    BOOST_TEST(has(schema_refusal(R"({"$schema":"https://json-schema.org/draft/2019-09/schema"})"), "2019-09"));
    BOOST_TEST(has(schema_refusal(R"({"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}})"), "another subschema"));
    BOOST_TEST(has(schema_refusal(R"({"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}})"), "another subschema"));
}

BOOST_AUTO_TEST_CASE(a_cycle_that_makes_no_progress_is_refused) {
    for (const std::string_view schema :
         {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"$ref":"#"}})",
          R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[true,{"$ref":"#/$defs/a"}]}}})",
          R"({"if":{"$ref":"#"}})", R"({"dependentSchemas":{"a":{"$ref":"#"}}})",
          R"({"$dynamicAnchor":"a","$dynamicRef":"#a"})",
          R"({"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#"})"})
        BOOST_CHECK_MESSAGE(has(schema_refusal(schema), "leads back to itself"), schema << schema_refusal(schema));
}

BOOST_AUTO_TEST_CASE(a_pattern_that_cannot_run_in_linear_time_is_refused_by_name) {
    BOOST_TEST(
        schema_refusal(R"({"pattern":"(?=a)b"})") ==
        R"(/pattern: the pattern "(?=a)b" cannot be used: look-around is not supported: its time is not linear in the text)");
    for (const std::string_view pattern :
         {R"((a)\\1)", R"((?<n>a)\\k<n>)", R"((?<!a)b)", R"((?!a))", R"([)", R"(a\\)", R"(\\Aa\\z)", R"(\\a)",
          R"(*)", R"(\\ud83d)", R"(\\u{110000})", R"(\\p{Nonsense})"}) {
        const std::string schema = R"({"pattern":")" + std::string{pattern} + R"("})";
        BOOST_CHECK_MESSAGE(has(schema_refusal(schema), "cannot be used"), schema << schema_refusal(schema));
    }
    BOOST_TEST(has(schema_refusal(R"({"patternProperties":{"(?<=a)b":true}})"),
                   "/patternProperties/(?<=a)b: the pattern"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
