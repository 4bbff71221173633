#include "runtime/cli/job_line.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/limits.hpp"
#include "tests/runtime/cli/cli_fixture.hpp"

namespace coppice::cli {
namespace {

std::string refusal(const std::string& line) {
    const auto spec = parse_job_line(line);
    BOOST_TEST_CONTEXT("line " << line) BOOST_REQUIRE(!spec);
    return spec.error().detail;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_job_line)

BOOST_AUTO_TEST_CASE(a_line_gives_a_job_with_all_that_it_says) {
    const auto spec =
        parse_job_line(std::string(R"({"tenant":"acme","type":"resize","payload":{"w":3},"key":"k1",)") +
                       R"("priority":2,"after":[")" + cli_test::some_id +
                       R"("],"delay":"1h30m","traceparent":"00-x","labels":{"team":"blue","run":""}})");
    BOOST_REQUIRE(spec);
    BOOST_TEST(spec->traceparent == "00-x"); // the node says what is wrong with it
    BOOST_TEST((spec->labels == std::vector<std::string>{"run=", "team=blue"}));
    BOOST_TEST(spec->tenant == "acme");
    BOOST_TEST(spec->type == "resize");
    BOOST_TEST(spec->payload == R"({"w":3})");
    BOOST_TEST(spec->idempotency_key == "k1");
    BOOST_TEST(spec->priority == 2);
    BOOST_REQUIRE_EQUAL(spec->after.size(), 1U);
    BOOST_TEST(to_string(spec->after[0]) == cli_test::some_id);
    BOOST_TEST(spec->delay.count() == 5'400'000);
}

BOOST_AUTO_TEST_CASE(only_the_type_is_needed) {
    const auto spec = parse_job_line(R"( { "type" : "x" } )");
    BOOST_REQUIRE(spec);
    BOOST_TEST(spec->payload == "");
    BOOST_TEST(spec->priority == 0);
    BOOST_TEST(refusal("{}") == "\"type\" is missing");
}

BOOST_AUTO_TEST_CASE(the_payload_goes_out_as_it_was_written) {
    for (const char* payload : {R"({"a" : [1.0, 1e2, "\u00e9\"}, {", {"b": ","}]})", "null", "-0.50", R"("te\\xt")",
                                "[ ]", "true", R"({"payload": 1, "type": "inner"})"}) {
        for (const std::string& line : {std::string(R"({"type":"x","payload":)") + payload + "}",
                                        std::string(R"({"payload" :  )") + payload + R"(  , "type":"x"})",
                                        std::string(R"({"type":"x","p\u0061yload":)") + payload + " }"}) {
            const auto spec = parse_job_line(line);
            BOOST_TEST_CONTEXT("line " << line) {
                BOOST_REQUIRE(spec);
                BOOST_TEST(spec->payload == payload);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
    BOOST_TEST(refusal(R"({"type":"x","prority":1})").starts_with("\"prority\" is not known here"));
    BOOST_TEST(refusal(R"({"type":7})") == "\"type\" must be a string, not 7");
    BOOST_TEST(refusal(R"({"type":"x","priority":6})").find("from 1 (first) to 5, not 6") != std::string::npos);
    BOOST_TEST(refusal(R"({"type":"x","priority":1.5})").find("whole number") != std::string::npos);
    BOOST_TEST(refusal(R"({"type":"x","delay":90})").find("such as \"90s\"") != std::string::npos);
    BOOST_TEST(refusal(R"({"type":"x","delay":"9999d"})").starts_with("\"delay\""));
    BOOST_TEST(refusal(R"({"type":"x","after":"y"})").starts_with("\"after\" must be a list"));
    BOOST_TEST(refusal(R"({"type":"x","after":["nonsense"]})").find("nonsense") != std::string::npos);
    BOOST_TEST(refusal("[]") == "the line must be one JSON object");
}

BOOST_AUTO_TEST_CASE(hostile_lines_are_refused) {
    for (const std::string& line :
         {std::string("{"), std::string("{\"type\":\"x\"}}"), std::string("{\"type\":\"x\"} {\"type\":\"x\"}"),
          std::string("{\"type\":\"x\",\"type\":\"y\"}"), std::string("{\"type\":\"\xff\"}"),
          std::string("\0{\"type\":\"x\"}", 13), std::string("{'type':'x'}"), std::string("nul"),
          "{\"type\":\"x\",\"payload\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
          std::string("{\"type\":\"x\",\"payload\":NaN}"), std::string("{\"type\":\"x\",\"priority\":1e400}")}) {
        BOOST_TEST_CONTEXT("line " << line.substr(0, 60)) BOOST_TEST(!parse_job_line(line));
    }
}

BOOST_AUTO_TEST_CASE(a_payload_beyond_the_bound_is_refused_as_such) {
    const auto spec =
        parse_job_line("{\"type\":\"x\",\"payload\":\"" + std::string(limits::payload_size_max, 'p') + "\"}");
    BOOST_REQUIRE(!spec);
    BOOST_TEST(to_string(spec.error().code) == "payload_too_large");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
