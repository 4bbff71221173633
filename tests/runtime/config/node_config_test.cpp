#include "runtime/config/node_config.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/runtime/config/config_support.hpp"
#include "tests/source_file.hpp"

namespace coppice {

using config_test::check_has;
using config_test::errors_of_node;
using config_test::why_not;

BOOST_AUTO_TEST_SUITE(node_configuration)

BOOST_AUTO_TEST_CASE(the_sample_shows_the_defaults) {
    const auto sample = load_node_config(testing::source_file("runtime/config/sample_node.yaml"));
    BOOST_REQUIRE_MESSAGE(sample.has_value(), why_not(sample));
    BOOST_TEST((*sample == node_config{}));
}

BOOST_AUTO_TEST_CASE(nothing_configured_gives_the_defaults_and_they_are_valid) {
    BOOST_TEST((parse_node_config("", "f") == node_config{}));
    BOOST_TEST((parse_node_config("# nothing\n---\n", "f") == node_config{}));
    BOOST_TEST(validate(node_config{}).empty());
}

BOOST_AUTO_TEST_CASE(every_field_is_read) {
    const auto parsed = parse_node_config(
        "data: /srv/c\nlisten: 0.0.0.0:1\nmetrics_listen: '[::]:2'\n"
        "tls: {certificate: c.pem, key: k.pem}\nauth: {keys: keys, audience: x}\n"
        "exec: {slots: 0, cpu: 90s, memory_bytes: 1GiB, file_bytes: 0, open_files: 64}\n"
        "store: {map_bytes: 2TiB}\nlog: {level: trace, format: json}\n"
        "paused: true\n"
        "audit: {every: 30m}\n"
        "tracing: {endpoint: 'http://c:4318/v1/traces'}\n"
        "results: {above_bytes: 1KiB, sweep_every: 1h, s3: {endpoint: 'https://s3:9000', region: eu,\n"
        "  bucket: b, prefix: p/q/, access_key: AK, secret_key_file: s, ca: ca.pem}}\n",
        "f");
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), why_not(parsed));
    node_config expected_config;
    expected_config.data = "/srv/c";
    expected_config.listen = {"0.0.0.0", 1};
    expected_config.metrics_listen = {"::", 2};
    expected_config.tls = {"c.pem", "k.pem"};
    expected_config.auth = {"keys", "x"};
    expected_config.exec = {0, milliseconds{90'000}, 1ULL << 30, 0, 64};
    expected_config.store.map_bytes = 2ULL << 40;
    expected_config.log = {"trace", "json"};
    expected_config.paused = true;
    expected_config.audit.every = std::chrono::minutes{30};
    expected_config.tracing.endpoint = "http://c:4318/v1/traces";
    expected_config.results = {.above_bytes = 1024,
                               .sweep_every = std::chrono::hours{1},
                               .directory = {},
                               .endpoint = "https://s3:9000",
                               .region = "eu",
                               .bucket = "b",
                               .prefix = "p/q/",
                               .access_key = "AK",
                               .secret_key_file = "s",
                               .ca = "ca.pem"};
    BOOST_TEST((*parsed == expected_config));
    BOOST_TEST(parse_node_config("results: {directory: /srv/r}\n", "f")->results.directory == "/srv/r");
}

BOOST_AUTO_TEST_CASE(results_go_to_one_place_that_makes_sense) {
    const auto wrong = [](const std::string& results, const std::string& word) {
        const std::string errors = errors_of_node("results: {" + results + "}\n");
        BOOST_TEST(errors.find(word) != std::string::npos, errors);
    };
    const std::string rest = "region: eu, bucket: b, access_key: a, secret_key_file: s";
    wrong("above_bytes: 1KiB", "one place for results");
    wrong("directory: d, s3: {endpoint: 'https://s', " + rest + "}", "one place for results");
    wrong("s3: {endpoint: 's3.example.com', " + rest + "}", "endpoint");
    wrong("s3: {endpoint: 'https://s3/bucket', " + rest + "}", "is scheme, host and port");
    wrong("s3: {endpoint: 'https://s3', " + rest + ", prefix: /a/}", "prefix");
    wrong("s3: {endpoint: 'https://s3', " + rest + ", prefix: a/../b/}", "prefix");
    wrong("s3: {endpoint: 'https://s3', region: eu, bucket: A_b, access_key: a, secret_key_file: s}", "bucket");
    wrong("s3: {endpoint: 'https://s3'}", "secret_key_file");
    wrong("directory: d, above_bytes: 10", "above_bytes");
}

BOOST_AUTO_TEST_CASE(all_errors_are_reported_at_once_with_their_lines) {
    const std::string errors = errors_of_node("data: 5\n"
                                              "listn: x\n"
                                              "listen: 0.0.0.0:99999\n"
                                              "metrics_listen: 10.0.0.1:9\n"
                                              "tls:\n"
                                              "  certificate: c\n"
                                              "exec:\n"
                                              "  slots: many\n"
                                              "  cpu: 1500ms\n"
                                              "store: {map_bytes: 64GB}\n"
                                              "log: {level: loud}\n");
    BOOST_TEST(
        errors ==
        "f:1:7: data: must be a string: put 5 in quotes\n"
        "f:2:1: listn: unknown field; did you mean \"listen\"?\n"
        "f:3:9: listen: the port must be from 0 to 65535, not \"99999\"\n"
        "f:4:17: metrics_listen: 10.0.0.1:9 can be reached from other machines: set tls, or listen on 127.0.0.1\n"
        "f:6:3: tls.key: is required\n"
        "f:8:10: exec.slots: must be a whole number from 0 to 1024, not \"many\"\n"
        "f:9:8: exec.cpu: must be whole seconds, at least one\n"
        "f:10:20: store.map_bytes: must be a size from 16MiB to 64TiB, such as \"64KiB\", not \"64GB\"\n"
        "f:11:14: log.level: must be one of trace, debug, info, warn, error, off, not \"loud\"");
}

BOOST_AUTO_TEST_CASE(a_collector_that_nobody_could_ask_is_an_error) {
    check_has(errors_of_node("tracing: {endpoint: 'ftp://c/x'}\n"), "f:1:21: tracing.endpoint: ");
    check_has(errors_of_node("tracing: {}\n"), "tracing.endpoint: is required");
}

BOOST_AUTO_TEST_CASE(without_tls_and_keys_a_node_listens_on_loopback_only) {
    BOOST_TEST(errors_of_node("listen: localhost:1\n") == "");
    check_has(errors_of_node("listen: 0.0.0.0:1\n"), "f:1:9: listen: 0.0.0.0:1 can be reached from other machines");
    check_has(errors_of_node("listen: 0.0.0.0:1\n"), "auth.keys: is required when other machines");
    BOOST_TEST(errors_of_node("listen: 0.0.0.0:1\ntls: {certificate: c, key: k}\nauth: {keys: k}\n") == "");
    node_config config;
    config.tls.key = "k";
    BOOST_REQUIRE(validate(config).size() == 1U);
    BOOST_TEST(validate(config)[0].path == "tls.certificate");
}

BOOST_AUTO_TEST_CASE(rules_that_flags_could_break_are_validated_again) {
    node_config config;
    config.data = "";
    config.store.map_bytes = (64ULL << 20) + 1;
    config.exec.slots = 5000;
    config.metrics_listen = config.listen;
    config.auth.audience = "";
    config.log = {"loud", "yaml"};
    std::string paths;
    for (const config_problem& problem : validate(config)) paths += problem.path + ' ';
    BOOST_TEST(paths == "data auth.audience metrics_listen store.map_bytes exec.slots log.level log.format ");
}

BOOST_AUTO_TEST_CASE(a_configuration_is_one_mapping) {
    check_has(errors_of_node("a: 1\n---\nb: 1\n"), "one document only");
    BOOST_TEST(errors_of_node("- a\n") == "f:1:1: must be a mapping (field: value), not a list");
    BOOST_TEST(errors_of_node("tls:\nlog: x\n") == "f:1:1: tls: has no value: give it one, or leave the field out\n"
                                                   "f:2:6: log: must be a mapping (field: value), not \"x\"");
    check_has(errors_of_node("data: \"x\n"), "never closes");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_an_error_by_name) {
    const auto missing = load_node_config("/nonexistent/node.yaml");
    BOOST_REQUIRE(!missing.has_value());
    BOOST_TEST(to_string(missing.error()) == "/nonexistent/node.yaml: does not exist");
    BOOST_TEST(!load_node_config("/dev/zero").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
