// Every command of `coppice` as a process, against a node that is one: what it prints, where, and how it ends.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// A payload of the development type: a shell script.
std::string script(const std::string& text) { return json{{"argv", {"sh", "-c", text}}}.dump(); }

std::string line_for(const std::string& payload, const std::string& key = {}) {
    json line{{"tenant", "default"}, {"type", "exec"}, {"payload", json::parse(payload)}};
    if (!key.empty()) line["key"] = key;
    return line.dump() + "\n";
}

outcome submit(const node& n, const std::string& payload, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"job",    "submit", "--tenant",  "default",
                                       "--type", "exec",   "--payload", payload};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return n.run(std::move(arguments));
}

std::string submitted_id(const node& n, const std::string& payload, std::vector<std::string> more = {}) {
    const outcome o = submit(n, payload, std::move(more));
    BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
    BOOST_REQUIRE_EQUAL(o.out.size(), 37U);
    return o.out.substr(0, 36);
}

} // namespace

BOOST_AUTO_TEST_SUITE(end_to_end_cli)

BOOST_AUTO_TEST_CASE(a_job_that_is_waited_for_prints_its_id_alone_and_gives_its_result) {
    const node n;
    const outcome o = submit(n, script("echo hello; printf '\\033[2Jlog' >&2"), {"--wait"});
    BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
    BOOST_REQUIRE_EQUAL(o.out.size(), 37U);
    const std::string id = o.out.substr(0, 36);
    BOOST_TEST(contains(o.err, "succeeded after 1 attempt"));

    const json j = job_of(n, id);
    BOOST_TEST(j["id"] == id);
    BOOST_TEST(j["tenant"] == "default");
    BOOST_TEST(j["type"] == "exec");
    BOOST_TEST(j["status"] == "succeeded");
    BOOST_TEST(j["attempts"] == 1);
    BOOST_TEST(j["error"].is_null());
    BOOST_TEST(j["result_size"] == 6);
    BOOST_TEST(j["finished_at"].get<std::string>().ends_with("Z"));
    BOOST_TEST(j["payload"]["argv"][0] == "sh");
    BOOST_TEST(contains(n.run({"job", "get", id}).out, "succeeded"));

    BOOST_TEST(n.run({"job", "result", id}).out == "hello\n");
    BOOST_TEST(json::parse(n.run({"job", "result", id, "-o", "json"}).out)["result"] == "hello\n");

    const outcome logs = n.run({"job", "logs", id});
    BOOST_TEST(contains(logs.out, " err \\x1b[2Jlog\n"));
    BOOST_TEST(json::parse(lines_of(n.run({"job", "logs", id, "-o", "json"}).out).at(0))["text"] == "\x1b[2Jlog");
    BOOST_TEST(n.run({"job", "logs", "--follow", id}).out == logs.out);

    const outcome watched = n.run({"job", "watch", id});
    BOOST_TEST(watched.status == 0);
    BOOST_TEST(watched.out == id + "  succeeded after 1 attempt\n");
}

BOOST_AUTO_TEST_CASE(a_job_that_fails_ends_the_wait_with_1) {
    const node n;
    const outcome o = submit(n, script("echo why >&2; exit 100"), {"--wait"});
    BOOST_TEST(o.status == 1);
    BOOST_REQUIRE_EQUAL(o.out.size(), 37U);
    const std::string id = o.out.substr(0, 36);
    BOOST_TEST(contains(o.err, "failed after 1 attempt"));
    const json j = job_of(n, id);
    BOOST_TEST(j["status"] == "failed");
    BOOST_TEST(j["error"]["code"] == "exit_status");
    BOOST_TEST(j["error"]["attempt"] == 1);
    BOOST_TEST(n.run({"job", "watch", id}).status == 1);
    const outcome result = n.run({"job", "result", id});
    BOOST_TEST(result.status == 1);
    BOOST_TEST(contains(result.err, "illegal_transition"));
}

BOOST_AUTO_TEST_CASE(who_has_no_token_is_told_how_to_get_one) {
    const node n;
    const outcome without = n.run_as({{"COPPICE_SERVER", n.address()}}, {"job", "list"});
    BOOST_TEST(without.status == 1);
    BOOST_TEST(contains(without.err, "coppice: job list: unauthenticated: "));
    BOOST_TEST(contains(without.err, "coppice token issue"));

    const outcome issued = n.run({"token", "issue", "--role", "sre", "--data", n.data().string()});
    BOOST_REQUIRE_EQUAL(issued.status, 0);
    const std::string token = issued.out.substr(0, issued.out.size() - 1);
    BOOST_TEST(n.run_as({{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", token}}, {"tree"}).status == 0);

    const outcome narrow =
        n.run({"token", "issue", "--role", "service", "--tenant", "default", "--data", n.data().string()});
    const outcome denied =
        n.run_as({{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", narrow.out.substr(0, narrow.out.size() - 1)}},
                 {"tree"});
    BOOST_TEST(denied.status == 1);
    BOOST_TEST(contains(denied.err, "permission_denied"));
}

BOOST_AUTO_TEST_CASE(a_refused_job_says_why) {
    const node n;
    const outcome invalid = submit(n, R"({"argv": []})");
    BOOST_TEST(invalid.status == 1);
    BOOST_TEST(invalid.out == "");
    BOOST_TEST(invalid.err.starts_with("coppice: job submit: payload_invalid: "));
    const outcome unknown = n.run({"job", "submit", "--tenant", "default", "--type", "nope"});
    BOOST_TEST(unknown.status == 1);
    BOOST_TEST(contains(unknown.err, "unknown_type"));
    BOOST_TEST(contains(unknown.err, "coppice get jobtypes"));
}

BOOST_AUTO_TEST_CASE(a_payload_may_come_from_a_file_or_from_stdin) {
    const node n;
    const scratch_directory files;
    const std::string id = submitted_id(n, "@" + files.write("p.json", script("echo file")), {"--wait"});
    BOOST_TEST(n.run({"job", "result", id}).out == "file\n");
    const outcome piped =
        n.run({"job", "submit", "--tenant", "default", "--type", "exec", "--payload", "-", "--wait"},
              script("echo pipe"));
    BOOST_REQUIRE_EQUAL(piped.status, 0);
    BOOST_TEST(n.run({"job", "result", piped.out.substr(0, 36)}).out == "pipe\n");
    BOOST_TEST(submit(n, "@" + (files / "absent").string()).status == 1);
}

BOOST_AUTO_TEST_CASE(lines_become_ids_in_their_order_and_bad_ones_are_named) {
    const node n;
    std::string text;
    std::set<std::size_t> bad;
    for (std::size_t line = 1; line <= 1300; ++line) {
        if (line % 400 == 7) {
            text += "{\"type\": \n";
            bad.insert(line);
        } else {
            text += json{{"tenant", "default"},
                         {"type", "exec"},
                         {"key", "k" + std::to_string(line)},
                         {"delay", "1h"},
                         {"payload", {{"argv", {"true"}}}}}
                        .dump() +
                    "\n";
        }
    }
    const outcome first = n.run({"job", "submit", "-f", "-"}, text);
    BOOST_TEST(first.status == 1);
    const auto ids = lines_of(first.out);
    BOOST_REQUIRE_EQUAL(ids.size(), 1300 - bad.size());
    BOOST_TEST(std::set<std::string>(ids.begin(), ids.end()).size() == ids.size());
    for (const std::size_t line : bad)
        BOOST_TEST(
            contains(first.err, "coppice: job submit: line " + std::to_string(line) + ": invalid_argument: "));
    BOOST_TEST(contains(first.err, std::to_string(bad.size()) + " of 1300 lines were not submitted"));

    // The same keys: the same ids, in the same order, now with their lines.
    const outcome again = n.run({"job", "submit", "-f", "-", "-o", "json"}, text);
    const auto rows = lines_of(again.out);
    BOOST_REQUIRE_EQUAL(rows.size(), 1300U);
    std::size_t next = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const json row = json::parse(rows[i]);
        BOOST_REQUIRE_EQUAL(row["line"].get<std::size_t>(), i + 1);
        if (bad.contains(i + 1)) {
            BOOST_TEST(row["error"]["code"] == "invalid_argument");
            continue;
        }
        BOOST_REQUIRE_EQUAL(row["id"].get<std::string>(), ids.at(next++));
        BOOST_TEST(row["existing"] == true);
    }

    const json page =
        json::parse(n.run({"job", "list", "--status", "scheduled", "--limit", "1200", "-o", "json"}).out);
    BOOST_TEST(page["jobs"].size() == 1200U);
    const json rest = json::parse(n.run({"job", "list", "--status", "scheduled", "--limit", "1200", "-o", "json",
                                         "--cursor", page["cursor"].get<std::string>()})
                                      .out);
    BOOST_TEST(rest["jobs"].size() == ids.size() - 1200);
    BOOST_TEST(rest["cursor"].is_null());
}

BOOST_AUTO_TEST_CASE(a_batch_that_is_waited_for_counts_what_failed) {
    const node n;
    std::string text;
    for (int i = 0; i < 12; ++i) text += line_for(script(i == 5 ? "exit 100" : "true"), "w" + std::to_string(i));
    const outcome o = n.run({"job", "submit", "-f", "-", "--wait"}, text);
    BOOST_TEST(o.status == 1);
    BOOST_TEST(lines_of(o.out).size() == 12U);
    BOOST_TEST(contains(o.err, "12/12 ended, 1 failed"));
    // All are known and have ended: nothing is left to wait for.
    const outcome again = n.run({"job", "submit", "-f", "-", "--wait"}, text);
    BOOST_TEST(again.status == 1);
    BOOST_TEST(again.out == o.out);
    const outcome good = n.run({"job", "submit", "-f", "-", "--wait"}, line_for(script("true")));
    BOOST_TEST_CONTEXT(good.err) BOOST_TEST(good.status == 0);
}

BOOST_AUTO_TEST_CASE(a_slow_pipe_gets_each_id_as_soon_as_it_is_committed) {
    const node n;
    const auto p = n.start({"job", "submit", "-f", "-"}, true);
    for (std::size_t i = 1; i <= 3; ++i) {
        p->write(line_for(script("true")));
        BOOST_REQUIRE(eventually([&] { return lines_of(p->out()).size() == i; }));
    }
    p->close_stdin();
    BOOST_TEST(p->wait() == 0);
}

BOOST_AUTO_TEST_CASE(an_interrupt_leaves_the_job_running_and_says_so) {
    const node n;
    const auto p = n.start(
        {"job", "submit", "--tenant", "default", "--type", "exec", "--payload", script("sleep 60"), "--wait"});
    BOOST_REQUIRE(eventually([&] { return p->out().size() == 37; }));
    const std::string id = p->out().substr(0, 36);
    BOOST_REQUIRE(eventually([&] { return job_of(n, id)["status"] == "running"; }));
    p->signal(SIGINT);
    BOOST_TEST(p->wait() == 1);
    BOOST_TEST(contains(p->err(), "interrupted; job " + id + " goes on"));
    BOOST_TEST(job_of(n, id)["status"] == "running");
    const outcome cancel = n.run({"job", "cancel", id});
    BOOST_TEST(cancel.status == 0);
    BOOST_TEST(cancel.out == id + "  told to stop\n");
    BOOST_TEST(n.run({"job", "watch", id}).status == 1);
    BOOST_TEST(job_of(n, id)["status"] == "cancelled");
}

BOOST_AUTO_TEST_CASE(an_interrupted_batch_prints_the_ids_that_it_has_and_ends) {
    const node n;
    const auto p = n.start({"job", "submit", "-f", "-", "--wait"}, true);
    p->write(line_for(script("sleep 60")) + line_for(script("sleep 60")));
    BOOST_REQUIRE(eventually([&] { return lines_of(p->out()).size() == 2; }));
    p->signal(SIGINT);
    BOOST_TEST(p->wait() == 1);
    BOOST_TEST(contains(p->err(), "interrupted; 2 jobs were submitted and go on"));
}

BOOST_AUTO_TEST_CASE(jobs_wait_for_time_and_for_others) {
    const node n;
    const std::string later = submitted_id(n, script("true"), {"--delay", "1h", "--priority", "1"});
    BOOST_TEST(job_of(n, later)["status"] == "scheduled");
    BOOST_TEST(job_of(n, later)["priority"] == 1);
    const std::string child = submitted_id(n, script("true"), {"--after", later});
    const json j = job_of(n, child);
    BOOST_TEST(j["status"] == "blocked");
    BOOST_TEST(j["after"] == json::array({later}));
    BOOST_TEST(n.run({"job", "cancel", later, "--reason", "enough"}).status == 0);
    BOOST_TEST(n.run({"job", "watch", child}).status == 1);
    BOOST_TEST(job_of(n, child)["error"]["code"] == "dependency_failed");
    const outcome absent = n.run({"job", "cancel", "0199a1b2-c3d4-7000-8000-000000000001"});
    BOOST_TEST(absent.status == 1);
    BOOST_TEST(contains(absent.err, "not_found"));
}

BOOST_AUTO_TEST_CASE(documents_are_applied_once_and_read_back_as_they_are) {
    const node n;
    const scratch_directory files;
    const std::string path =
        files.write("a.yaml", "kind: JobType\nmetadata: {name: greet}\nspec: {executor: worker}\n"
                              "---\nkind: Tenant\nmetadata: {name: acme}\nspec: {types: [greet]}\n");
    const outcome dry = n.run({"apply", "-f", path, "--dry-run"});
    BOOST_TEST_CONTEXT(dry.err) BOOST_TEST(dry.status == 0);
    BOOST_TEST(contains(dry.out, "would be created"));
    BOOST_TEST(n.run({"get", "tenant", "acme"}).status == 1);
    BOOST_TEST(contains(n.run({"apply", "-f", path}).out, "created"));
    const json again = json::parse(n.run({"apply", "-f", path, "-o", "json"}).out);
    for (const json& change : again["changes"]) BOOST_TEST(change["action"] == "unchanged");
    BOOST_TEST(again["changes"].size() == 2U);

    for (const char* kind : {"tenants", "jobtypes"}) {
        const outcome yaml = n.run({"get", kind, "-o", "yaml"});
        BOOST_TEST(yaml.status == 0);
        if (std::string{kind} == "jobtypes") continue; // holds the development type, which nobody may declare
        const outcome back = n.run({"apply", "-f", "-"}, yaml.out);
        BOOST_TEST_CONTEXT(back.err << yaml.out) BOOST_TEST(back.status == 0);
        BOOST_TEST(!contains(back.out, "updated"));
    }
    BOOST_TEST(contains(n.run({"get", "tenants"}).out, "acme"));
    BOOST_TEST(json::parse(n.run({"get", "tenant", "acme", "-o", "json"}).out)["spec"]["types"][0] == "greet");

    const std::string wrong = files.write("b.yaml", "kind: Tenant\nmetadata: {name: b}\nspec: {weigth: 3}\n");
    const outcome refused = n.run({"apply", "-f", wrong});
    BOOST_TEST(refused.status == 1);
    BOOST_TEST(contains(refused.err, wrong + ":3:"));
    BOOST_TEST(contains(refused.err, "document_invalid"));
    BOOST_TEST(n.run({"apply", "-f", (files / "absent.yaml").string()}).status == 1);
}

BOOST_AUTO_TEST_CASE(the_node_shows_its_tree_its_metrics_and_its_store) {
    const node n;
    const outcome tree = n.run({"tree"});
    BOOST_TEST_CONTEXT(tree.err) BOOST_REQUIRE_EQUAL(tree.status, 0);
    const auto rows = lines_of(tree.out);
    BOOST_TEST(rows.at(0).starts_with("NAME"));
    BOOST_TEST(rows.at(1).starts_with("node "));
    BOOST_TEST(rows.at(2).starts_with("  "));
    const json first = json::parse(n.run({"tree", "-o", "json"}).out)["rows"][1];
    const outcome part = n.run({"tree", first["path"]});
    BOOST_TEST(lines_of(part.out).at(1).starts_with(first["path"].get<std::string>()));
    BOOST_TEST(n.run({"tree", "node/nothing"}).status == 1);

    BOOST_TEST(n.run({"metrics"}).status == 0);
    BOOST_TEST(json::parse(n.run({"metrics", "-o", "json"}).out).is_array());
    const outcome check = n.run({"check"});
    BOOST_TEST_CONTEXT(check.out << check.err) BOOST_TEST(check.status == 0);
    BOOST_TEST(contains(check.out, "every invariant holds"));
    BOOST_TEST(json::parse(n.run({"check", "-o", "json"}).out)["findings"].empty());
}

BOOST_AUTO_TEST_CASE(a_watched_tree_ends_quietly_when_its_reader_goes_away) {
    const node n;
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const auto p = n.start({"tree", "--watch"}, false, ends[1]);
    ::close(ends[1]);
    char byte = 0;
    BOOST_REQUIRE(::read(ends[0], &byte, 1) == 1);
    ::close(ends[0]);
    BOOST_TEST(p->wait() == 0);
    BOOST_TEST(p->err() == "");
}

BOOST_AUTO_TEST_CASE(a_worker_runs_its_command_for_jobs) {
    const node n;
    const scratch_directory files;
    const std::string path =
        files.write("w.yaml", "kind: JobType\nmetadata: {name: upper}\nspec: {executor: worker}\n");
    BOOST_REQUIRE_EQUAL(n.run({"apply", "-f", path}).status, 0);
    const auto worker = n.start({"worker", "--types", "upper", "--slots", "2", "--", "tr", "a-z", "A-Z"});
    const outcome o =
        n.run({"job", "submit", "--tenant", "default", "--type", "upper", "--payload", "\"leaf\"", "--wait"});
    BOOST_TEST_CONTEXT(o.err << worker->err()) BOOST_REQUIRE_EQUAL(o.status, 0);
    BOOST_TEST(n.run({"job", "result", o.out.substr(0, 36)}).out == "\"LEAF\"");
    worker->signal(SIGTERM);
    BOOST_TEST(worker->wait() == 0);
}

BOOST_AUTO_TEST_CASE(the_benches_measure_a_running_node) {
    const node n;
    const scratch_directory files;
    const std::string path =
        files.write("w.yaml", "kind: JobType\nmetadata: {name: noop}\nspec: {executor: worker}\n");
    BOOST_REQUIRE_EQUAL(n.run({"apply", "-f", path}).status, 0);
    const outcome jobs = n.run({"bench", "jobs", "--jobs", "300", "--batch", "50", "--slots", "20", "-o", "json"});
    BOOST_TEST_CONTEXT(jobs.err) BOOST_REQUIRE_EQUAL(jobs.status, 0);
    BOOST_TEST(json::parse(jobs.out).is_object());
    BOOST_TEST(n.run({"bench", "submit", "--jobs", "50", "--in-flight", "4"}).status == 0);
    BOOST_TEST(n.run({"bench", "latency", "--rate", "50", "--seconds", "1", "--slots", "20"}).status == 0);
}

BOOST_AUTO_TEST_CASE(a_node_ends_cleanly_and_a_second_one_is_kept_out) {
    node n;
    const outcome second =
        n.run({"serve", "--data", n.data().string(), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"});
    BOOST_TEST(second.status == 1);
    BOOST_TEST(contains(second.err, "coppice: serve: data_directory_locked: "));
    BOOST_TEST(n.stop() == 0);
    BOOST_TEST(n.run({"job", "list"}).status == 3);
}

BOOST_AUTO_TEST_CASE(bash_completes_what_this_program_understands) {
    const std::string script =
        "source <(\"$0\" completion bash); COMP_WORDS=(\"$0\" job list --status q); COMP_CWORD=4; "
        "_coppice \"$0\"; echo \"${COMPREPLY[@]}\"";
    const process bash({.argv = {"/bin/bash", "-c", script, program()}});
    BOOST_TEST(eventually([&] { return bash.out() == "queued\n"; }), bash.out() << bash.err());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
