// What `coppice top` makes of two looks at the metrics.
#include "runtime/cli/load_view.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace coppice::cli {
namespace {

using nlohmann::json;

load_look look_at(std::int64_t seconds, const std::vector<std::string>& nodes) {
    load_look l;
    for (const std::string& text : nodes) add_metrics(l, text);
    l.at = from_us(seconds * 1'000'000);
    return l;
}

std::string jobs(const std::string& tenant, int running, int queued, int started, int failed) {
    const std::string t = "{tenant=\"" + tenant + "\"";
    return "operations_jobs_running" + t + "} " + std::to_string(running) + "\n" + "operations_queue_depth" + t +
           ",state=\"queued\"} " + std::to_string(queued) + "\n" + "operations_jobs_total" + t +
           ",state=\"started\"} " + std::to_string(started) + "\n" + "operations_jobs_total" + t +
           ",state=\"submitted\"} " + std::to_string(started) + "\n" + "operations_jobs_total" + t +
           ",state=\"failed\"} " + std::to_string(failed) + "\n" + "operations_queue_oldest_age_seconds" + t +
           "} 2.5\n";
}

std::string starts(int in_1ms, int in_10ms, int all) {
    const std::string name = "operations_job_scheduling_seconds_bucket{tenant=\"a\",le=\"";
    return name + "0.001\"} " + std::to_string(in_1ms) + "\n" + name + "0.01\"} " + std::to_string(in_10ms) + "\n" +
           name + "+Inf\"} " + std::to_string(all) + "\n";
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_load_view)

BOOST_AUTO_TEST_CASE(rates_are_of_the_time_between_two_looks_over_all_nodes) {
    const auto before = look_at(100, {jobs("acme", 1, 5, 100, 3), jobs("birch", 0, 0, 10, 0)});
    const auto now =
        look_at(104, {jobs("acme", 2, 7, 300, 5), jobs("birch", 9, 40, 10, 0) + jobs("acme", 1, 0, 0, 0)});
    const json shown = json::parse(load_json(&before, now));
    BOOST_TEST(shown["nodes"] == 2);
    BOOST_TEST(shown["seconds"] == 4.0);
    BOOST_REQUIRE(shown["tenants"].size() == 2U);
    BOOST_TEST(shown["tenants"][0]["tenant"] == "birch"); // it has most to do
    BOOST_TEST(shown["tenants"][0]["queued"] == 40);
    BOOST_TEST(shown["tenants"][0]["per_second"]["started"] == 0.0);
    BOOST_TEST(shown["tenants"][1]["running"] == 3);
    BOOST_TEST(shown["tenants"][1]["per_second"]["started"] == 50.0);
    BOOST_TEST(shown["tenants"][1]["per_second"]["failed"] == 0.5);
    BOOST_TEST(shown["tenants"][1]["oldest_seconds"] == 2.5);
}

BOOST_AUTO_TEST_CASE(a_node_that_was_started_again_has_no_negative_rates) {
    const auto before = look_at(100, {jobs("acme", 0, 0, 900, 9)});
    const auto now = look_at(101, {jobs("acme", 0, 0, 5, 0)});
    BOOST_TEST(json::parse(load_json(&before, now))["tenants"][0]["per_second"]["started"] == 0.0);
}

BOOST_AUTO_TEST_CASE(the_first_look_has_no_rates) {
    const auto now = look_at(100, {jobs("acme", 1, 2, 3, 0)});
    BOOST_TEST(!json::parse(load_json(nullptr, now)).contains("seconds"));
    const std::string text = load_text(nullptr, now, 0);
    BOOST_TEST(text.find("a second") == std::string::npos);
    BOOST_TEST(text.find("acme") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(quantiles_are_of_what_came_between_the_looks) {
    const auto before = look_at(1, {starts(1000, 1000, 1000)});
    const auto now = look_at(2, {starts(1000, 1100, 1100)});
    const auto p95 = quantile(before.scheduling, now.scheduling, 0.95);
    BOOST_REQUIRE(p95.has_value());
    BOOST_TEST((*p95 > 0.009 && *p95 < 0.01)); // of the hundred between 1 and 10 ms
    BOOST_TEST(!quantile(now.scheduling, now.scheduling, 0.95).has_value());
    BOOST_TEST(!quantile({}, {}, 0.95).has_value());
    const auto slow = look_at(3, {starts(1000, 1100, 1200)});
    BOOST_TEST(*quantile(now.scheduling, slow.scheduling, 0.5) == 0.01); // beyond the last bound
}

BOOST_AUTO_TEST_CASE(what_is_no_metric_is_passed_over) {
    const auto now = look_at(1, {"# HELP x\nnonsense\noperations_jobs_running{tenant=\"a\" 3\n\n"
                                 "operations_jobs_running{tenant=\"b\"} NaN\n"});
    BOOST_TEST(json::parse(load_json(nullptr, now))["tenants"].empty());
}

BOOST_AUTO_TEST_CASE(nodes_that_hold_starts_back_are_told) {
    const std::string name = "operations_starts_per_second_max ";
    const auto now = look_at(1, {name + "0\n", name + "+Inf\n", name + "50\n"});
    const json shown = json::parse(load_json(nullptr, now));
    BOOST_TEST(shown["nodes_paused"] == 1);
    BOOST_TEST(shown["nodes_slowed"] == 1);
    BOOST_TEST(load_text(nullptr, now, 0).find("1 of the nodes are paused") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(findings_of_the_audit_are_told) {
    const auto now = look_at(1, {"operations_store_audit_findings 3\n"});
    BOOST_TEST(load_text(nullptr, now, 0).find("3 findings; see `coppice doctor`") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
