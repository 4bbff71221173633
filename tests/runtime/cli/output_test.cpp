#include "runtime/cli/output.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "runtime/cli/job_output.hpp"
#include "runtime/cli/metrics_json.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "runtime/cli/tree_output.hpp"

namespace coppice::cli {
namespace {

using nlohmann::json;

client::job_view sample_job() {
    client::job_view job;
    job.id = *job_id::parse("0199a1b2-c3d4-7000-8000-000000000001");
    job.tenant = "acme";
    job.type = "resize";
    job.state = job_state::FAILED;
    job.priority = 3;
    job.attempts = 2;
    job.submitted = from_us(1'790'000'000'123'456);
    job.started = job.submitted + std::chrono::seconds{1};
    job.progress = 0.25;
    job.error = {errc::exit_status, "status 7\x1b[2J", 0};
    job.error_attempt = 2;
    job.result_size = 0;
    job.payload = R"({"n": 12345678901234567890123})";
    return job;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_output)

BOOST_AUTO_TEST_CASE(columns_line_up_by_cells) {
    table t({{"NAME"}, {"COUNT", true}, {"NOTE", false, true}});
    t.add({"grün", "7", "x"});
    t.add({"a", "1234567", "y"});
    BOOST_TEST(t.take(0) == "NAME    COUNT  NOTE\n"
                            "grün        7  x\n"
                            "a     1234567  y\n");
}

BOOST_AUTO_TEST_CASE(a_narrow_terminal_cuts_names_and_never_ids) {
    table t({{"ID"}, {"NAME", false, true}, {"NOTE", false, true}});
    t.add({"0199a1b2-c3d4", std::string(30, 'n'), std::string(50, 'x')});
    for (const std::string& line : lines_of(t.take(50))) BOOST_TEST(display_width(line) <= 50U);
    t.add({"0199a1b2-c3d4", std::string(30, 'n'), std::string(50, 'x')});
    const std::string tight = t.take(20);
    BOOST_TEST(tight.find("0199a1b2-c3d4") != std::string::npos);
    BOOST_TEST(tight.find("…") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(titles_stand_once_and_pages_line_up) {
    table t({{"NAME"}, {"N", true}});
    t.add({"a-long-name", "1"});
    const std::string first = t.take(0);
    t.add({"b", "2"});
    BOOST_TEST(first == "NAME         N\na-long-name  1\n");
    BOOST_TEST(t.take(0) == "b            2\n");
}

BOOST_AUTO_TEST_CASE(a_cell_cannot_draw_a_row_of_its_own) {
    table t({{"NAME"}});
    t.add({"x\nFORGED  row\x1b[31m"});
    BOOST_TEST(lines_of(t.take(0)).size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_job_as_json_has_every_field_and_null_for_what_is_absent) {
    const json job = json::parse(job_json(sample_job(), true));
    BOOST_TEST(job["id"] == "0199a1b2-c3d4-7000-8000-000000000001");
    BOOST_TEST(job["tenant"] == "acme");
    BOOST_TEST(job["type"] == "resize");
    BOOST_TEST(job["status"] == "failed");
    BOOST_TEST(job["priority"] == 3);
    BOOST_TEST(job["attempts"] == 2);
    BOOST_TEST(job["submitted_at"] == "2026-09-21T14:13:20.123456Z");
    BOOST_TEST(job["started_at"] == "2026-09-21T14:13:21.123456Z");
    BOOST_TEST(job["finished_at"].is_null());
    BOOST_TEST(job["progress"] == 0.25);
    BOOST_TEST(job["error"]["code"] == "exit_status");
    BOOST_TEST(job["error"]["message"] == "status 7\x1b[2J");
    BOOST_TEST(job["error"]["attempt"] == 2);
    BOOST_TEST(job["result_size"] == 0);
    BOOST_TEST(job["pending_audit"] == false);
    BOOST_TEST(job["key"].is_null());
}

BOOST_AUTO_TEST_CASE(json_is_one_line_without_control_characters_and_keeps_numbers_as_written) {
    const std::string text = job_json(sample_job(), true);
    for (const char c : text) BOOST_REQUIRE(static_cast<unsigned char>(c) >= 0x20);
    BOOST_TEST(text.find("12345678901234567890123") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_not_json_is_a_string) {
    BOOST_TEST(json_object{}.foreign("p", "{\"a\":").done() == R"({"p":"{\"a\":"})");
    BOOST_TEST(json_object{}.foreign("p", "[1, 2]").done() == R"({"p":[1, 2]})");
    BOOST_TEST(json_object{}.real("p", 1.0 / 0.0).done() == R"({"p":null})");
}

BOOST_AUTO_TEST_CASE(a_description_is_safe_for_a_terminal) {
    const std::string text = job_description(sample_job());
    BOOST_TEST(text.find('\x1b') == std::string::npos);
    BOOST_TEST(text.find("failed") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_tree_is_indented_below_where_it_begins) {
    std::vector<client::tree_row> rows(3);
    rows[0] = {.path = "node/shards", .kind = "supervisor", .state = "running", .age = milliseconds{3'725'000}};
    rows[1] = {.path = "node/shards/shard-3", .kind = "worker", .state = "leader", .mailbox = 12, .handled = 3456};
    rows[2] = {.path = "node/shards/shard-3/job", .kind = "job", .state = "running", .last_failure = "boom\x1b[2J"};
    const auto lines = lines_of(tree_text(rows, 0));
    BOOST_REQUIRE_EQUAL(lines.size(), 4U);
    BOOST_TEST(lines[1].starts_with("node/shards "));
    BOOST_TEST(lines[2].starts_with("  shard-3 "));
    BOOST_TEST(lines[3].starts_with("    job "));
    BOOST_TEST(lines[1].find("1h2m") != std::string::npos);
    BOOST_TEST(lines[3].ends_with("boom\\x1b[2J"));
    const auto end_of = [&](std::size_t line, const std::string& word) {
        return lines[line].find(word) + word.size();
    };
    BOOST_TEST(end_of(0, "HANDLED") == end_of(2, "3456"));
    BOOST_TEST(end_of(0, "MAILBOX") == end_of(2, " 12"));
}

BOOST_AUTO_TEST_CASE(ages_show_two_units) {
    BOOST_TEST(age_cell(milliseconds{0}) == "0ms");
    BOOST_TEST(age_cell(milliseconds{999}) == "999ms");
    BOOST_TEST(age_cell(milliseconds{61'000}) == "1m1s");
    BOOST_TEST(age_cell(milliseconds{3'600'000}) == "1h");
    BOOST_TEST(age_cell(milliseconds{90'061'000}) == "1d1h");
    BOOST_TEST(age_cell(milliseconds{-5}) == "0ms");
}

BOOST_AUTO_TEST_CASE(metrics_become_samples_and_what_is_none_is_left_out) {
    const json samples = json::parse(metrics_json("# HELP a b\n# TYPE a counter\n"
                                                  "a{x=\"1\",y=\"q\\\"\\\\\\n\"} 18446744\n"
                                                  "b 0.5\nc +Inf\nbroken{x=\"1 2\n{} 3\nd{ 1\nlast 7"));
    BOOST_REQUIRE_EQUAL(samples.size(), 4U);
    BOOST_TEST(samples[0]["name"] == "a");
    BOOST_TEST(samples[0]["labels"]["y"] == "q\"\\\n");
    BOOST_TEST(samples[0]["value"] == 18446744);
    BOOST_TEST(samples[1]["value"] == 0.5);
    BOOST_TEST(samples[2]["value"] == "+Inf");
    BOOST_TEST(samples[3]["name"] == "last");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
