// Spans as a collector gets them, and what becomes of those that it does not take.
#include <spdlog/sinks/null_sink.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "runtime/observability/spans.hpp"
#include "tests/cluster/control/fake_endpoint.hpp"

namespace coppice::testing {
namespace {

using nlohmann::json;

const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

span a_span(std::uint64_t id) {
    return {.name = "coppice.queue",
            .traceparent = trace,
            .id = id,
            .begun = from_us(1'800'000'000'000'001),
            .ended = from_us(1'800'000'000'000'002),
            .attributes = {{"coppice.tenant", "a\"\n\x01\xff"}},
            .error = {}};
}

logger no_log() { return {{}, std::make_shared<spdlog::sinks::null_sink_mt>()}; }

} // namespace

BOOST_AUTO_TEST_SUITE(spans)

BOOST_AUTO_TEST_CASE(a_span_is_written_as_the_protocol_says) {
    span bad = a_span(0xab);
    bad.kind = span_kind::consumer;
    bad.error = "exit_status";
    bad.ended = from_us(5); // a clock that stepped back
    const json body = json::parse(otlp_json({a_span(1), bad}, "10.0.0.1:7400"));
    const json& of_node = body["resourceSpans"][0];
    BOOST_TEST(of_node["resource"]["attributes"][2]["value"]["stringValue"] == "10.0.0.1:7400");
    const json& first = of_node["scopeSpans"][0]["spans"][0];
    BOOST_TEST(
        (first["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736" && first["parentSpanId"] == "00f067aa0ba902b7"));
    BOOST_TEST((first["spanId"] == "0000000000000001" && first["kind"] == 1 && !first.contains("status")));
    BOOST_TEST(
        (first["startTimeUnixNano"] == "1800000000000001000" && first["endTimeUnixNano"] == "1800000000000002000"));
    const json& second = of_node["scopeSpans"][0]["spans"][1];
    BOOST_TEST((second["spanId"] == "00000000000000ab" && second["kind"] == 5));
    BOOST_TEST((second["status"]["code"] == 2 && second["status"]["message"] == "exit_status"));
    BOOST_TEST(second["endTimeUnixNano"] == second["startTimeUnixNano"]);
}

BOOST_AUTO_TEST_CASE(ids_are_of_the_job_the_attempt_and_what_it_is) {
    const job_id job = job_id::make(1, shard_id{}, tenant_id{1}, 1),
                 other = job_id::make(1, shard_id{}, tenant_id{1}, 2);
    BOOST_TEST(span_id(job, 1, "queue") == span_id(job, 1, "queue"));
    BOOST_TEST(span_id(job, 1, "queue") != span_id(job, 2, "queue"));
    BOOST_TEST(span_id(job, 1, "queue") != span_id(job, 1, "attempt"));
    BOOST_TEST(span_id(job, 1, "queue") != span_id(other, 1, "queue"));
}

BOOST_AUTO_TEST_CASE(what_is_not_taken_is_counted_and_what_waits_at_the_end_goes_out) {
    const auto totals = std::make_shared<span_totals>();
    fake_endpoint refusing{
        [](const std::string&, const fake_endpoint::send_function& send) { send(whole("no", "400 Bad Request")); }};
    {
        span_exporter exporter{{refusing.url(), "n"}, no_log(), totals};
        exporter.add(a_span(1));
    }
    BOOST_TEST((totals->dropped == 1U && totals->sent == 0U));
    BOOST_TEST(refusing.requests().size() == 1U); // it will not take it later, either
    fake_endpoint taking{[](const std::string&, const fake_endpoint::send_function& send) { send(whole("{}")); }};
    {
        span_exporter exporter{{taking.url(), "n"}, no_log(), totals};
        for (std::uint64_t i = 1; i <= 3; ++i) exporter.add(a_span(i));
        span unsampled = a_span(4);
        unsampled.traceparent.back() = '0';
        exporter.add(unsampled);
    }
    BOOST_TEST((totals->dropped == 1U && totals->sent == 3U));
}

BOOST_AUTO_TEST_CASE(what_waits_has_a_bound) {
    const auto totals = std::make_shared<span_totals>();
    span_exporter exporter{{"http://127.0.0.1:1/v1/traces", "n"}, no_log(), totals};
    const std::size_t many = span_exporter::waiting_max + 2 * span_exporter::per_request_max;
    for (std::uint64_t i = 1; i <= many; ++i) exporter.add(a_span(i));
    BOOST_TEST(totals->dropped >= span_exporter::per_request_max); // one request may have taken as many
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
