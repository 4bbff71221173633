// `http:` of a job type: what it may hold, and what is said of the rest.
#include <boost/test/unit_test.hpp>

#include "runtime/config/documents.hpp"
#include "schema/limits.hpp"
#include "tests/runtime/config/config_support.hpp"

using namespace coppice;
using config_test::check_has;
using config_test::errors_of_documents;

namespace {

std::string document(const std::string& spec) { return "kind: JobType\nmetadata: {name: t}\nspec: " + spec + "\n"; }

std::string errors_of(const std::string& http) {
    return errors_of_documents(document("{executor: http, http: " + http + "}"));
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_specs)

BOOST_AUTO_TEST_CASE(every_field_is_read_and_the_rest_has_its_default) {
    const auto loaded = load_documents(
        document(
            "{executor: http, http: {url: 'https://example.com:8443/a?b=c', method: PUT, private_networks: true, "
            "headers: {Authorization: Bearer x, X-Trace: \"1\"}}}"),
        "f");
    BOOST_REQUIRE(loaded.has_value());
    const auto& type = std::get<job_type_spec>(loaded->at(0).spec);
    BOOST_TEST((type.executor == executor_kind::http));
    const http_spec meant{
        "https://example.com:8443/a?b=c", "PUT", {{"Authorization", "Bearer x"}, {"X-Trace", "1"}}, true};
    BOOST_TEST((type.http == meant));
    const auto least = load_documents(document("{executor: http, http: {url: http://h}}"), "f");
    BOOST_REQUIRE(least.has_value());
    BOOST_TEST((std::get<job_type_spec>(least->at(0).spec).http == http_spec{.url = "http://h"}));
}

BOOST_AUTO_TEST_CASE(what_is_no_url_is_refused_and_why) {
    BOOST_TEST(errors_of("{url: https://example.com/}").empty());
    check_has(errors_of("{}"), "spec.http.url: is required");
    for (const char* wrong : {"nonsense://x y", "http://", "'http://a b/'", "'http://h\\u0001/'"})
        check_has(errors_of("{url: " + std::string{wrong} + "}"), "spec.http.url");
    check_has(errors_of("{url: 'file:///etc/passwd'}"), "must be of scheme http or https, not \"file\"");
    check_has(errors_of("{url: 'ftp://h/x'}"), "must be of scheme http or https");
    check_has(errors_of("{url: 'http://me:secret@h/'}"), "must not hold a user or a password");
    check_has(errors_of("{url: 'http://h/#part'}"), "must not have a fragment");
    check_has(errors_of("{url: 'http://h/" + std::string(limits::http_url_size_max, 'x') + "'}"),
              "at most 2048 bytes");
}

BOOST_AUTO_TEST_CASE(headers_are_names_and_one_line_each_and_none_of_ours) {
    const auto of = [](const std::string& headers) {
        return errors_of("{url: 'http://h', headers: " + headers + "}");
    };
    BOOST_TEST(of("{X-A: b}").empty());
    check_has(of("[a]"), "must be a mapping of names to texts");
    for (const char* ours :
         {"Host", "content-length", "Transfer-Encoding", "Idempotency-Key", "Coppice-Job", "Expect"})
        check_has(of("{" + std::string{ours} + ": x}"), "is set by the node itself");
    check_has(of("{'a b': x}"), "is no name of a header");
    check_has(of("{'a:': x}"), "is no name of a header");
    check_has(of("{A: \"x\\r\\nB: y\"}"), "must be one line");
    check_has(of("{A: ''}"), "must be one line");
    check_has(of("{A: [1]}"), "must be a text");
    check_has(of("{A: x, a: y}"), "is there twice");
    std::string many = "{";
    for (std::size_t i = 0; i <= limits::http_headers_max; ++i) many += "H" + std::to_string(i) + ": x, ";
    check_has(of(many + "}"), "must be at most 32");
}

BOOST_AUTO_TEST_CASE(http_goes_with_its_executor_and_nothing_else) {
    check_has(errors_of_documents(document("{executor: http}")), "is required for executor http");
    check_has(errors_of_documents(document("{http: {url: 'http://h'}}")), "is for executor http only");
    check_has(errors_of_documents(document("{executor: http, argv: [a], http: {url: 'http://h'}}")),
              "is for executor exec only");
    check_has(errors_of_documents(document("{executor: http, http: {url: 'http://h'}, timeouts: {heartbeat: 1s}}")),
              "a request has no heartbeat");
    check_has(errors_of("{url: 'http://h', method: TRACE}"), "method");
    check_has(errors_of("{url: 'http://h', redirects: 3}"), "unknown field");
}

BOOST_AUTO_TEST_SUITE_END()
