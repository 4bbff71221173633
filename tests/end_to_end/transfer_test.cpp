// What one node exports another takes in; and an export as a job.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"
#include "tests/sanitized.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string transfer_types =
    "kind: JobType\nmetadata: {name: held}\nspec: {executor: worker}\n---\n"
    "kind: JobType\nmetadata: {name: no}\nspec: {executor: exec, argv: ['false'], attempts_max: 1}\n"
    "---\nkind: Schedule\nmetadata: {name: nightly}\nspec: {tenant: default, type: held, "
    "cron: '0 3 * * *', timezone: Europe/Berlin}\n";

std::vector<json> json_lines(const std::string& text) {
    std::vector<json> lines;
    std::istringstream all{text};
    for (std::string line; std::getline(all, line);) {
        BOOST_REQUIRE_MESSAGE(json::accept(line), line);
        lines.push_back(json::parse(line));
    }
    return lines;
}

std::string submit_lines(int count, std::size_t pad = 0) {
    std::string lines;
    for (int i = 0; i < count; ++i)
        lines += json{{"tenant", "default"},
                      {"type", "held"},
                      {"payload", {{"n", i}, {"pad", std::string(pad, 'p')}}},
                      {"labels", {{"i", std::to_string(i % 10)}}}}
                     .dump() +
                 "\n";
    return lines;
}

json imported(const outcome& o) {
    BOOST_REQUIRE_MESSAGE(json::accept(o.out), o.out << o.err);
    return json::parse(o.out);
}

// Of those that a job says it leaves.
std::string first_checkpoint(const std::string& said) {
    constexpr std::string_view word = "::checkpoint ";
    const auto mark = said.find(word);
    BOOST_REQUIRE_MESSAGE(mark != std::string::npos, said);
    const auto begin = mark + word.size();
    return said.substr(begin, said.find('\n', begin) - begin);
}

} // namespace

BOOST_AUTO_TEST_SUITE(transfer_suite)

BOOST_AUTO_TEST_CASE(jobs_go_to_another_node_once_however_often_they_are_imported) {
    const node from, to;
    const scratch_directory files;
    for (const node* n : {&from, &to}) declare(*n, transfer_types);
    BOOST_REQUIRE(from.run({"job", "submit", "-f", files.write("jobs", submit_lines(2500))}).status == 0);
    const std::string failed =
        first_line(from.run({"job", "submit", "--tenant", "default", "--type", "no", "--wait"}).out);
    const std::string later = first_line(
        from.run({"job", "submit", "--tenant", "default", "--type", "held", "--delay", "10h", "--key", "own"}).out);
    for (const std::string format : {"ndjson", "csv"}) {
        const std::string file = (files / ("all." + format)).string();
        const outcome out = from.run({"export", "jobs", "--to", file, "--format", format});
        BOOST_REQUIRE_MESSAGE(out.status == 0, out.err);
        BOOST_TEST(json::parse(out.out)["rows"] == 2502);
        BOOST_TEST(!std::filesystem::exists(file + ".part"));
        const json first = imported(to.run({"import", "jobs", "-f", file}));
        const bool is_first = format == "ndjson";
        BOOST_TEST(first["imported"] == (is_first ? 2501 : 0));
        BOOST_TEST(first["were_there"] == (is_first ? 0 : 2501));
        BOOST_TEST(first["passed_over"] == 1);
        BOOST_TEST(first["refused"] == 0);
    }
    const auto there = json_lines(to.run({"export", "jobs", "--type", "held", "--status", "queued"}).out);
    BOOST_REQUIRE(there.size() == 2500U);
    std::set<int> numbers;
    for (const json& each : there) {
        const int n = each["payload"]["n"];
        numbers.insert(n);
        BOOST_REQUIRE(each["labels"]["i"] == std::to_string(n % 10));
    }
    BOOST_TEST(numbers.size() == 2500U);
    const auto waits = json_lines(to.run({"export", "jobs", "--status", "scheduled"}).out);
    BOOST_REQUIRE(waits.size() == 1U);
    BOOST_TEST(waits[0]["key"] == "own");
    BOOST_TEST(waits[0]["due_at"] == job_of(from, later)["due_at"]);
    const json again = imported(to.run({"import", "jobs", "-f", (files / "all.csv").string(), "--with-ended"}));
    BOOST_TEST(again["imported"] == 1);
    BOOST_TEST(contains(from.run({"export", "jobs", "--status", "failed"}).out, failed));
}

BOOST_AUTO_TEST_CASE(a_bad_line_is_reported_by_its_number_and_the_rest_is_imported) {
    const node n;
    const scratch_directory files;
    declare(n, transfer_types);
    const std::string good = R"({"tenant":"default","type":"held","payload":{"n":1},"key":"k1"})";
    const outcome out = n.run({"import", "jobs", "-f",
                               files.write("mixed.ndjson", good + "\n{\"type\":5}\nnonsense\n" +
                                                               R"({"tenant":"default","type":"unheard"})"
                                                               "\n" +
                                                               R"({"id":"x","type":"held","status":"queued"})"
                                                               "\n" +
                                                               R"({"tenant":"default","type":"held","key":"k2"})"
                                                               "\n")});
    BOOST_TEST(out.status == 1);
    const json counts = imported(out);
    BOOST_TEST((counts["imported"] == 2 && counts["refused"] == 4));
    for (const std::string line : {"line 2", "line 3", "line 4", "line 5"})
        BOOST_TEST(contains(out.err, line), out.err);
    BOOST_TEST(contains(out.err, "unknown_type"), out.err);
    const outcome csv =
        n.run({"import", "jobs", "-f",
               files.write("mixed.csv", "type,tenant,priority,key\nheld,default,1,c1\nheld,default,high,c2\n"
                                        "held,default\nheld,default,,c3\n")});
    BOOST_TEST((imported(csv)["imported"] == 2 && imported(csv)["refused"] == 2));
    BOOST_TEST((contains(csv.err, "line 3") && contains(csv.err, "line 4")), csv.err);
    BOOST_TEST(n.run({"export", "tickets"}).status == 2);
}

BOOST_AUTO_TEST_CASE(what_is_declared_goes_to_another_node) {
    const node from, to;
    const scratch_directory files;
    declare(from, transfer_types);
    for (const std::string kind : {"tenants", "jobtypes", "schedules"}) {
        const outcome out = from.run({"export", kind});
        BOOST_REQUIRE_MESSAGE(out.status == 0, out.err);
        const outcome in = to.run({"import", kind, "-f", "-"}, out.out);
        BOOST_TEST(in.status == 0, kind << in.err);
        BOOST_TEST(imported(to.run({"import", kind, "-f", "-"}, out.out))["imported"] == 0);
    }
    BOOST_TEST(to.run({"get", "schedules", "nightly", "-o", "yaml"}).out ==
               from.run({"get", "schedules", "nightly", "-o", "yaml"}).out);
    const outcome wrong =
        to.run({"import", "jobtypes", "-f", "-"}, R"({"name":"fine","spec":{"executor":"worker"}})"
                                                  "\n"
                                                  R"({"name":"bad","spec":{"executor":"magic"}})"
                                                  "\n"
                                                  R"({"spec":{}})"
                                                  "\n");
    BOOST_TEST(wrong.status == 1);
    BOOST_TEST((imported(wrong)["imported"] == 1 && imported(wrong)["refused"] == 2), wrong.out << wrong.err);
    BOOST_TEST(contains(wrong.err, "line 2"), wrong.err);
}

BOOST_AUTO_TEST_CASE(large_payloads_come_in_pages_and_events_from_the_oldest) {
    const node n;
    const scratch_directory files;
    declare(n, transfer_types);
    BOOST_REQUIRE(n.run({"job", "submit", "-f", files.write("jobs", submit_lines(40, 200'000))}).status == 0);
    const auto jobs = json_lines(n.run({"export", "jobs"}).out);
    BOOST_REQUIRE(jobs.size() == 40U);
    for (const json& each : jobs) BOOST_REQUIRE(each["payload"]["pad"].get<std::string>().size() == 200'000U);
    const std::string failed =
        first_line(n.run({"job", "submit", "--tenant", "default", "--type", "no", "--wait"}).out);
    const auto events = json_lines(n.run({"export", "events"}).out);
    BOOST_TEST(std::ranges::any_of(events, [&](const json& e) {
        return e["job"] == failed && e["status"] == "failed" && e["code"] == "exit_status";
    }));
    BOOST_TEST(n.run({"export", "events", "--tenant", "default"}).status == 2);
}

BOOST_AUTO_TEST_CASE(evidence_says_who_did_what_and_why_and_whoever_may_not_read_it_gets_none) {
    const node n;
    const scratch_directory files;
    declare(n, transfer_types);
    BOOST_REQUIRE(n.run({"job", "submit", "-f", files.write("jobs", submit_lines(1500))}).status == 0);
    const std::string edited = json_lines(n.run({"export", "jobs"}).out).front()["id"];
    BOOST_REQUIRE(n.run({"job", "edit", edited, "--priority", "1", "--reason", "it is late"}).status == 0);
    BOOST_REQUIRE(
        n.run({"job", "cancel", "--tenant", "default", "--status", "queued", "--reason", "all of it"}).status == 0);
    BOOST_REQUIRE(n.run({"job", "delete", edited, "--reason", "by mistake"}).status == 0);
    const std::string whole = n.run({"export", "evidence"}).out;
    const auto rows = json_lines(whole);
    std::map<std::string, int> kinds;
    std::map<std::string, json> of_edited;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        BOOST_REQUIRE(rows[i]["sequence"] == i + 1); // nothing is left out, over pages
        ++kinds[rows[i]["kind"]];
        if (rows[i]["job"] == edited) of_edited[rows[i]["kind"]] = rows[i];
    }
    BOOST_TEST(kinds["job_ended"] == 1500);
    BOOST_TEST(kinds.size() == 3U);
    BOOST_REQUIRE(of_edited.size() == 3U);
    BOOST_TEST(of_edited["job_ended"]["code"] == "cancelled");
    BOOST_TEST(of_edited["job_ended"]["status"] == "cancelled");
    for (const auto& [kind, reason] : {std::pair{"job_edited", "it is late"}, {"job_deleted", "by mistake"}}) {
        BOOST_TEST(contains(of_edited[kind]["detail"].get<std::string>(), reason), of_edited[kind].dump());
        BOOST_TEST(of_edited[kind]["by"] == "operator", of_edited[kind].dump());
        BOOST_TEST(of_edited[kind]["tenant"] == "default");
        BOOST_TEST(of_edited[kind]["type"] == "held");
    }
    // As a job, it goes on where the attempt before it was cut off.
    const std::string file = (files / "evidence.ndjson").string();
    auto env = n.operator_env();
    env.emplace_back("JOB_ID", "any");
    const outcome first = n.run_as(env, {"export", "evidence", "--to", file});
    const std::string checkpoint = first_checkpoint(first.err);
    BOOST_TEST((read_file(file) == whole));
    std::filesystem::rename(file, file + ".part");
    env.emplace_back("JOB_CHECKPOINT", files.write("checkpoint", checkpoint));
    BOOST_TEST(n.run_as(env, {"export", "evidence", "--to", file}).status == 0);
    BOOST_TEST((read_file(file) == whole));

    const outcome issued = n.run(
        {"token", "issue", "--role", "project-maintainer", "--tenant", "default", "--data", n.data().string()});
    const outcome denied = n.run_as({{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", first_line(issued.out)}},
                                    {"export", "evidence"});
    BOOST_TEST(denied.status != 0);
    BOOST_TEST(denied.out.empty());
    BOOST_TEST(contains(denied.err, "permission_denied"), denied.err);
}

// Not under a sanitizer: a job's program may not have as much address space as that takes.
BOOST_AUTO_TEST_CASE(an_export_runs_as_a_job, *boost::unit_test::enable_if<!sanitized>()) {
    const node n;
    const scratch_directory files;
    declare(n, transfer_types);
    BOOST_REQUIRE(n.run({"job", "submit", "-f", files.write("jobs", submit_lines(2500))}).status == 0);
    const std::string file = (files / "jobs.ndjson").string();
    std::string token;
    for (const auto& [name, value] : n.operator_env())
        if (name == "COPPICE_TOKEN_FILE") token = value;
    BOOST_REQUIRE(!token.empty());
    declare(n, "kind: JobType\nmetadata: {name: export}\nspec:\n  executor: exec\n  argv: ['" + program() +
                   "', export, jobs, --type, held, --to, '{{file}}', --server, '" + n.address() +
                   "', --token-file, '" + token + "']\n");
    const std::string id = first_line(n.run({"job", "submit", "--tenant", "default", "--type", "export",
                                             "--payload", json{{"file", file}}.dump()})
                                          .out);
    BOOST_REQUIRE_MESSAGE(reaches(n, id, "succeeded"), n.run({"job", "logs", id}).out);
    BOOST_TEST(json::parse(n.run({"job", "result", id}).out)["rows"] == 2500);
    BOOST_TEST(json_lines(read_file(file)).size() == 2500U);
    BOOST_TEST(job_of(n, id)["progress"] > 0.3);
}

BOOST_AUTO_TEST_CASE(an_export_goes_on_where_an_attempt_before_it_was_cut_off) {
    const node n;
    const scratch_directory files;
    declare(n, transfer_types);
    BOOST_REQUIRE(n.run({"job", "submit", "-f", files.write("jobs", submit_lines(2500))}).status == 0);
    const std::string whole = n.run({"export", "jobs", "--type", "held"}).out;
    // The first attempt, as its node would run it; cut off after its first page.
    const std::string second = (files / "again.ndjson").string();
    auto env = n.operator_env();
    env.emplace_back("JOB_ID", "any");
    const outcome first = n.run_as(env, {"export", "jobs", "--type", "held", "--to", second});
    const std::string checkpoint = first_checkpoint(first.err);
    const std::size_t bytes = std::stoul(checkpoint);
    BOOST_REQUIRE((bytes > 0 && bytes < whole.size()));
    std::filesystem::remove(second);
    // Other bytes in their place, to be told from those of an export that began anew.
    const std::string left(bytes, '#');
    std::ofstream{second + ".part"} << left << "half of a li";
    env.emplace_back("JOB_CHECKPOINT", files.write("checkpoint", checkpoint));
    const outcome next = n.run_as(env, {"export", "jobs", "--type", "held", "--to", second});
    BOOST_TEST(next.status == 0, next.err);
    BOOST_TEST(json::parse(next.out)["rows"] == 2500);
    BOOST_TEST((read_file(second) == left + whole.substr(bytes)));
    // What it was to go on from is gone: from the beginning.
    std::filesystem::remove(second);
    BOOST_TEST(n.run_as(env, {"export", "jobs", "--type", "held", "--to", second}).status == 0);
    BOOST_TEST((read_file(second) == whole));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
