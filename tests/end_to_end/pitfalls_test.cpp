// What users of other job systems report, each on a real node: it must not happen here.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "runtime/client/worker.hpp"
#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

std::string add_of(const node& n, const std::string& type, const std::vector<std::string>& more = {}) {
    std::vector<std::string> line{"job", "submit", "--tenant", "default", "--type", type};
    line.insert(line.end(), more.begin(), more.end());
    const outcome o = n.run(line);
    BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
    return first_line(o.out);
}

std::string exec_type(const std::string& name, const std::string& script, const std::string& more) {
    return "---\nkind: JobType\nmetadata: {name: " + name + "}\nspec:\n  executor: exec\n  argv: [sh, -c, " +
           json(script).dump() + "]\n  retry: {base: 10ms, max: 10ms}\n" + more;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pitfalls_suite)

BOOST_AUTO_TEST_CASE(a_job_delayed_for_three_times_its_lease_runs_once) {
    const node n;
    const scratch_directory marks;
    declare(n, exec_type("late", "echo run >> " + (marks / "runs").string() + "; echo alive >&2",
                         "  timeouts: {heartbeat: 500ms}\n"));
    const std::string id = add_of(n, "late", {"--delay", "1500ms"});
    BOOST_TEST(reaches(n, id, "succeeded"));
    BOOST_TEST(job_of(n, id)["attempts"] == 1);
    BOOST_TEST(read_file(marks / "runs") == "run\n");
}

BOOST_AUTO_TEST_CASE(a_hung_program_frees_its_keys_next_job_without_anybodys_help) {
    const node n;
    const scratch_directory marks;
    // The first one ignores that it is told to stop.
    declare(n, exec_type(
                   "one",
                   "test -e " + (marks / "hung").string() + " && exit 0; touch " + (marks / "hung").string() +
                       "; trap '' TERM; sleep 600 & wait; sleep 600",
                   "  attempts_max: 1\n  timeouts: {attempt: 500ms}\n  concurrency: {by: key, running_max: 1}\n"));
    const std::string hung = add_of(n, "one", {"--payload", R"({"key": "a"})"});
    const std::string next = add_of(n, "one", {"--payload", R"({"key": "a"})"});
    BOOST_TEST(reaches(n, next, "succeeded"));
    BOOST_TEST(job_of(n, hung)["error"]["code"] == "timeout_attempt");
}

BOOST_AUTO_TEST_CASE(cancel_ends_every_state_though_the_worker_is_gone) {
    const node n;
    declare(n, "kind: JobType\nmetadata: {name: far}\nspec: {executor: worker}\n");
    const auto worker = n.start({"worker", "--types", "far", "--slots", "1", "--", "sleep", "600"});
    const std::string running = add_of(n, "far");
    BOOST_REQUIRE(reaches(n, running, "running"));
    const std::string queued = add_of(n, "far"), scheduled = add_of(n, "far", {"--delay", "1h"}),
                      blocked = add_of(n, "far", {"--after", running});
    worker->kill(SIGKILL);
    BOOST_TEST(n.run({"job", "cancel", "--type", "far"}).status == 0);
    for (const std::string& id : {running, queued, scheduled, blocked})
        BOOST_TEST(reaches(n, id, "cancelled"), job_of(n, id).dump());
}

// What looks for the lost among those that run must not be busy with those that are not.
BOOST_AUTO_TEST_CASE(many_jobs_without_a_timeout_do_not_hide_one_whose_worker_died) {
    constexpr int many = sanitized ? 2'000 : 20'000;
    const node n;
    declare(n, "kind: Tenant\nmetadata: {name: default}\nspec: {types: ['*'], running_max: 50000}\n"
               "---\nkind: JobType\nmetadata: {name: endless}\nspec: {executor: worker}\n"
               "---\nkind: JobType\nmetadata: {name: few}\nspec: {executor: worker}\n");
    client::options where;
    where.server = n.address();
    where.token_file = (n.data() / "operator.token").string();
    process endless([&] {
        const client::promise_handler never_done = [](const assignment&, client::attempt_context&) {
            return kj::Promise<attempt_outcome>(kj::NEVER_DONE);
        };
        return client::run_worker(where, {.name = "endless", .types = {"endless"}, .slots = many}, never_done,
                                  milliseconds{0})
                   ? 0
                   : 1;
    });
    std::string lines;
    for (int i = 0; i < many; ++i) lines += "{\"tenant\": \"default\", \"type\": \"endless\"}\n";
    BOOST_REQUIRE_EQUAL(n.run({"job", "submit", "--file", "-"}, lines).status, 0);
    const auto running = [&](int count) {
        const std::string line = "operations_jobs_running{tenant=\"default\"} " + std::to_string(count) + "\n";
        return eventually([&] { return contains(n.run({"metrics"}).out, line); });
    };
    BOOST_REQUIRE(running(many));

    const auto dying = n.start({"worker", "--types", "few", "--", "sleep", "600"});
    const std::string id = add_of(n, "few");
    BOOST_REQUIRE(running(many + 1));
    dying->kill(SIGKILL);
    const auto other = n.start({"worker", "--types", "few", "--", "true"});
    BOOST_TEST(reaches(n, id, "succeeded"));
    BOOST_TEST(job_of(n, id)["attempts"] == 2);
    BOOST_TEST(running(many));
    endless.kill(SIGKILL);
    BOOST_TEST(running(0)); // all of them wait again
}

BOOST_AUTO_TEST_CASE(a_program_that_reports_progress_200000_times_ends_and_is_kept_short) {
    const node n;
    declare(n, exec_type("chatty", "seq 200000 | sed 's/.*/::progress 0.5 step &/' >&2; echo done", ""));
    const std::size_t before = resident_kb_of(n);
    const std::string id = add_of(n, "chatty");
    BOOST_TEST(reaches(n, id, "succeeded"));
    BOOST_TEST(job_of(n, id)["attempts"] == 1);
    BOOST_TEST(n.run({"job", "result", id}).out == "done\n");
    // Neither what is kept of it nor the node's memory grows with what was said.
    BOOST_TEST(n.run({"job", "get", id, "-o", "json"}).out.size() < 4096U);
    if (!sanitized) BOOST_TEST(resident_kb_of(n) < before + 64 * 1024);
    BOOST_TEST(n.run({"check"}).status == 0);
}

BOOST_AUTO_TEST_CASE(a_node_with_more_than_it_can_run_ends_when_it_is_told_to_and_loses_nothing) {
    node n;
    declare(n, exec_type("busy", "sleep 600", "  timeouts: {cancel_grace: 1s}\n"));
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += "{\"tenant\": \"default\", \"type\": \"busy\"}\n";
    const outcome sent = n.run({"job", "submit", "--file", "-"}, lines);
    BOOST_REQUIRE_MESSAGE(sent.status == 0, sent.err);
    const auto listed = [&](const std::string& status) {
        return json::parse(n.run({"job", "list", "--status", status, "-o", "json", "--limit", "500"}).out)["jobs"];
    };
    BOOST_REQUIRE(eventually([&] { return listed("running").size() >= 4U; }));
    BOOST_TEST(n.stop() == 0); // within `patience`, or it is minus a thousand
    n.start_again();
    BOOST_TEST(eventually([&] { return listed("running").size() >= 4U; }));
    BOOST_TEST(listed("queued").size() + listed("running").size() == 200U);
    // What a stop cut short was given back, and is not counted as a try.
    for (const auto& job : listed("running"))
        BOOST_TEST(job["error"].is_null() == (job["attempts"] == 1), job.dump());
    BOOST_TEST(json::parse(n.run({"job", "cancel", "--type", "busy", "-o", "json"}).out)["cancelled"] == 200);
    BOOST_TEST(eventually([&] { return listed("cancelled").size() == 200U; }));
    BOOST_TEST(n.run({"check"}).status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
