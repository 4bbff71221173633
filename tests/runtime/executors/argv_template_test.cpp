#include "runtime/executors/argv_template.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/limits.hpp"

namespace coppice {

namespace {

using arguments = std::vector<std::string>;

void refused(const expected<arguments>& resolved, errc code, const std::string& word) {
    BOOST_REQUIRE(!resolved.has_value());
    BOOST_TEST(to_string(resolved.error().code) == to_string(code));
    BOOST_TEST(resolved.error().detail.find(word) != std::string::npos, resolved.error().detail);
}

} // namespace

BOOST_AUTO_TEST_SUITE(argv_template)

BOOST_AUTO_TEST_CASE(a_field_is_put_in_as_text_whatever_its_scalar_type) {
    const auto resolved = resolve_argv({"/bin/x", "{{s}}", "--n={{n}}", "{{f}}/{{b}}", "plain"},
                                       R"({"s":"a b","n":-12,"f":0.5,"b":true})");
    BOOST_REQUIRE(resolved.has_value());
    BOOST_TEST((*resolved == arguments{"/bin/x", "a b", "--n=-12", "0.5/true", "plain"}));
}

BOOST_AUTO_TEST_CASE(what_a_field_holds_is_neither_split_nor_expanded_nor_filled_again) {
    const auto resolved = resolve_argv({"x", "{{s}}", "{{e}}"}, R"({"s":"$(id); 'a' \"b\" {{e}} *","e":""})");
    BOOST_REQUIRE(resolved.has_value());
    BOOST_TEST((*resolved == arguments{"x", "$(id); 'a' \"b\" {{e}} *", ""}));
}

BOOST_AUTO_TEST_CASE(a_field_that_cannot_be_an_argument_is_refused_by_name) {
    refused(resolve_argv({"x", "{{gone}}"}, R"({"other":1})"), errc::payload_invalid, "\"gone\"");
    refused(resolve_argv({"x", "{{o}}"}, R"({"o":{"deep":{"er":[1]}}})"), errc::payload_invalid, "\"o\"");
    refused(resolve_argv({"x", "{{a}}"}, R"({"a":[1]})"), errc::payload_invalid, "\"a\"");
    refused(resolve_argv({"x", "{{z}}"}, R"({"z":null})"), errc::payload_invalid, "\"z\"");
    refused(resolve_argv({"x", "{{n}}"}, R"({"n":"a\u0000b"})"), errc::payload_invalid, "\"n\"");
    refused(resolve_argv({"x", "{{n}}"}, R"(["n"])"), errc::payload_invalid, "object");
    refused(resolve_argv({"x", "{{n}}"}, "{\"n\":"), errc::payload_invalid, "object");
}

BOOST_AUTO_TEST_CASE(the_program_is_never_the_payloads_choice) {
    refused(resolve_argv({"{{p}}"}, R"({"p":"/bin/sh"})"), errc::document_invalid, "argv[0]");
    refused(resolve_argv({}, "{}"), errc::document_invalid, "argv[0]");
    refused(resolve_argv({""}, "{}"), errc::document_invalid, "argv[0]");
}

BOOST_AUTO_TEST_CASE(a_template_that_can_never_be_filled_is_told_when_it_is_declared) {
    BOOST_TEST(check_argv_template({"x", "{{a}} and {{b}}", "}} {"}).has_value());
    BOOST_TEST(!check_argv_template({"x", "{{a"}).has_value());
    BOOST_TEST(!check_argv_template({"x", "{{}}"}).has_value());
    BOOST_TEST(!check_argv_template({"x", std::string("a\0b", 3)}).has_value());
    BOOST_TEST(!check_argv_template(arguments(limits::exec_arguments_max + 1, "x")).has_value());
}

BOOST_AUTO_TEST_CASE(an_argument_longer_than_the_system_takes_is_refused) {
    const std::string half(limits::exec_argument_size_max / 2 + 1, 'a');
    refused(resolve_argv({"x", "{{a}}{{a}}"}, R"({"a":")" + half + R"("})"), errc::payload_invalid, "argv[1]");
}

BOOST_AUTO_TEST_CASE(a_deep_payload_does_no_harm) {
    const std::string deep = "{\"s\":\"v\",\"d\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
    const auto resolved = resolve_argv({"x", "{{s}}"}, deep);
    BOOST_REQUIRE(resolved.has_value());
    BOOST_TEST((*resolved == arguments{"x", "v"}));
}

BOOST_AUTO_TEST_CASE(a_declared_type_gets_the_payload_on_stdin) {
    job_type_spec type;
    type.argv = {"/bin/x", "{{a}}"};
    const auto input = resolve_exec_input(type, R"({"a":1,"argv":["/bin/sh"],"stdin":"no"})");
    BOOST_REQUIRE(input.has_value());
    BOOST_TEST((input->argv == arguments{"/bin/x", "1"}));
    BOOST_TEST(input->stdin_bytes == R"({"a":1,"argv":["/bin/sh"],"stdin":"no"})");
}

BOOST_AUTO_TEST_CASE(the_development_type_takes_argv_and_stdin_from_the_payload) {
    job_type_spec type;
    type.argv_from_payload = true;
    const auto input = resolve_exec_input(type, R"({"argv":["cat","{{x}}"],"stdin":"a\u0000b"})");
    BOOST_REQUIRE(input.has_value());
    BOOST_TEST((input->argv == arguments{"cat", "{{x}}"}));
    BOOST_TEST(input->stdin_bytes == std::string("a\0b", 3));
    for (const auto* bad :
         {R"({})", R"({"argv":[]})", R"({"argv":"sh"})", R"({"argv":["x",1]})", R"({"argv":["x",["y"]]})",
          R"({"argv":[""]})", R"({"argv":["x\u0000"]})", R"({"argv":["x"],"stdin":1})"})
        BOOST_TEST(!resolve_exec_input(type, bad).has_value(), bad);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
