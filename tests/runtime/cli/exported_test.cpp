// Rows that go out and come in again: that nothing is lost on the way, and that what makes no sense is refused.
#include "runtime/cli/exported.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "runtime/cli/csv_line.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

using cli::job_from_line;
using nlohmann::json;

client::job_view some_job(job_state state = job_state::QUEUED) {
    client::job_view job;
    job.id = job_id::make(1'800'000'000'000, shard_id{0}, tenant_id{1}, 7);
    job.tenant = "acme";
    job.type = "build";
    job.state = state;
    job.priority = 2;
    job.submitted = from_us(1'800'000'000'000'000);
    job.payload = "{\"n\": 1.50,\n \"text\": \"a, \\\"b\\\"\"}";
    job.labels = {"team=blue", "empty=", "odd=a=b"};
    job.run_anyway = true;
    return job;
}

client::job_spec taken(const std::string& line, const std::string& tenant = {}, bool with_ended = false) {
    auto spec = job_from_line(line, tenant, with_ended);
    BOOST_REQUIRE_MESSAGE(spec.has_value(), line);
    BOOST_REQUIRE(spec->has_value());
    return std::move(**spec);
}

void check_job(const client::job_spec& spec, const client::job_view& job) {
    BOOST_TEST(spec.tenant == job.tenant);
    BOOST_TEST(spec.type == job.type);
    BOOST_TEST(spec.priority == job.priority);
    BOOST_TEST(spec.idempotency_key == "import:" + to_string(job.id));
    BOOST_TEST((json::parse(spec.payload) == json::parse(job.payload)));
    BOOST_TEST(spec.payload.find("1.50") != std::string::npos); // number for number
    BOOST_TEST(std::set<std::string>(spec.labels.begin(), spec.labels.end()) ==
                   std::set<std::string>(job.labels.begin(), job.labels.end()),
               boost::test_tools::per_element());
    BOOST_TEST(spec.run_anyway);
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_exported)

BOOST_AUTO_TEST_CASE(a_line_of_csv_comes_back_as_it_was) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (int round = 0; round < 2000; ++round) {
            std::vector<std::string> fields(1 + random() % 5);
            for (std::string& field : fields)
                for (std::uint64_t n = random() % 8; n > 0; --n) field += "ab \",;'\t"[random() % 8];
            const auto read = cli::parse_csv_line(cli::csv_line(fields));
            BOOST_REQUIRE(read);
            BOOST_REQUIRE(*read == fields);
        }
    }
    BOOST_TEST(cli::csv_line({"a\nb\r", "c"}) == "\"a b \",c");
    BOOST_TEST(!cli::parse_csv_line("\"open"));
    BOOST_TEST(!cli::parse_csv_line("\"a\"b,c"));
    BOOST_TEST((cli::parse_csv_line("") == std::vector<std::string>{""}));
    BOOST_TEST((cli::parse_csv_line(",") == std::vector<std::string>{"", ""}));
}

BOOST_AUTO_TEST_CASE(an_exported_job_is_submitted_again_as_it_was) {
    const client::job_view job = some_job();
    check_job(taken(cli::as_ndjson(cli::row_of(job))), job);
    const auto row = cli::row_of(job);
    const auto titles = cli::parse_csv_line(cli::csv_titles(row).substr(0, cli::csv_titles(row).size() - 1));
    BOOST_REQUIRE(titles);
    std::string line = cli::as_csv(row);
    line.pop_back();
    BOOST_TEST(line.find('\n') == std::string::npos);
    const auto from_csv = cli::json_from_csv(*titles, line);
    BOOST_REQUIRE(from_csv);
    check_job(taken(*from_csv), job);
    BOOST_TEST(taken(cli::as_ndjson(row), "globex").tenant == "globex");
}

BOOST_AUTO_TEST_CASE(its_own_key_is_what_a_job_is_known_by) {
    client::job_view job = some_job();
    job.idempotency_key = "mine";
    BOOST_TEST(taken(cli::as_ndjson(cli::row_of(job))).idempotency_key == "mine");
    BOOST_TEST(taken(R"({"type":"t"})").idempotency_key.empty()); // a line that was never exported
}

BOOST_AUTO_TEST_CASE(the_time_of_a_job_that_waits_for_it_is_kept) {
    client::job_view job = some_job(job_state::SCHEDULED);
    job.due = from_us(1'900'000'000'000'000);
    BOOST_TEST((taken(cli::as_ndjson(cli::row_of(job))).not_before == job.due));
    job.state = job_state::RUNNING;
    BOOST_TEST((taken(cli::as_ndjson(cli::row_of(job))).not_before == never));
}

BOOST_AUTO_TEST_CASE(what_had_ended_is_passed_over_unless_asked_for) {
    for (const job_state state :
         {job_state::SUCCEEDED, job_state::FAILED, job_state::CANCELLED, job_state::REJECTED}) {
        client::job_view job = some_job(state);
        job.error = {errc::exit_status, "exit status 1", 0};
        job.after = {job.id};
        const std::string line = cli::as_ndjson(cli::row_of(job));
        const auto passed = job_from_line(line, {}, false);
        BOOST_REQUIRE(passed);
        BOOST_TEST(!passed->has_value());
        BOOST_TEST(taken(line, {}, true).after.empty());
    }
}

BOOST_AUTO_TEST_CASE(lines_that_make_no_sense_are_refused_by_name) {
    const auto refused = [](const std::string& line, const std::string& word) {
        const auto spec = job_from_line(line, {}, false);
        BOOST_REQUIRE_MESSAGE(!spec, line);
        BOOST_TEST(spec.error().detail.find(word) != std::string::npos, line << ": " << spec.error().detail);
    };
    refused("", "");
    refused("[]", "one JSON object");
    refused(R"({"id":"x","status":"queued","type":"t"})", "\"id\"");
    refused(R"({"status":"asleep","type":"t"})", "\"status\"");
    refused(R"({"status":"scheduled","due_at":"soon","type":"t"})", "\"due_at\"");
    refused(R"({"status":"blocked","type":"t"})", "submit it as a graph");
    refused(R"({"status":"queued"})", "\"type\" is missing");
    refused(R"({"type":"t","prority":1})", "prority");
    refused(R"({"type":"t","labels":{"a":1}})", "labels");
    refused(R"({"type":"t","payload":")" + std::string(limits::payload_size_max, 'x') + R"("})", "bytes, at most");
    BOOST_TEST(!cli::json_from_csv({"type", "priority"}, "t"));
    BOOST_TEST(!cli::json_from_csv({"type", "priority"}, "t,high"));
    BOOST_TEST(
        (cli::json_from_csv({"type", "priority", "key"}, "t,,k") == std::string{R"({"type":"t","key":"k"})"}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
