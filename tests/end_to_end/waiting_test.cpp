// What can be done with jobs that wait, and what they bring along: edits, callbacks of graphs, traces.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/cluster/control/fake_endpoint.hpp"
#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string held_type = "kind: JobType\nmetadata: {name: held}\nspec:\n  executor: exec\n"
                              "  argv: [echo, \"{{word}}\"]\n  attempts_max: 1\n"
                              "  schema: {type: object, required: [word], properties: {word: {type: string}}}\n"
                              "  paused: ";

std::string add_held(const node& n, const std::string& word) {
    const outcome o =
        n.run({"job", "submit", "--tenant", "default", "--type", "held", "--payload", json{{"word", word}}.dump()});
    BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
    return first_line(o.out);
}

// A line of a graph: a shell script, or a job that is sure to fail.
std::string graph_line(const std::string& name, const std::string& script, bool callback = false) {
    return json{{"name", name}, {"type", "sh"}, {"payload", {{"script", script}}}, {"callback", callback}}.dump() +
           "\n";
}

const std::string sh_type = "kind: JobType\nmetadata: {name: sh}\nspec:\n  executor: exec\n"
                            "  argv: [sh, -c, \"{{script}}\"]\n  attempts_max: 2\n";

} // namespace

BOOST_AUTO_TEST_SUITE(waiting_suite)

BOOST_AUTO_TEST_CASE(a_job_that_waits_gets_another_payload_and_place_and_keeps_them_over_a_kill) {
    node n;
    declare(n, held_type + "true\n");
    const std::string first = add_held(n, "one"), second = add_held(n, "two");
    const outcome wrong = n.run({"job", "edit", first, "--payload", R"({"word":7})"});
    BOOST_TEST(wrong.status == 1);
    BOOST_TEST(contains(wrong.err, "payload_invalid"), wrong.err);
    BOOST_TEST(contains(wrong.err, "/word"), wrong.err);
    const outcome mended =
        n.run({"job", "edit", first, "--payload", R"({"word":"mended"})", "--priority", "5", "--reason", "a typo"});
    BOOST_TEST(mended.out == first + "  edited\n");
    n.kill(SIGKILL);
    n.start_again();
    const json job = job_of(n, first);
    BOOST_TEST((job["payload"]["word"] == "mended" && job["priority"] == 5 && job["edits"] == 1));

    const outcome counted =
        n.run({"job", "edit", "--tenant", "default", "--status", "queued", "--priority", "2", "--dry-run"});
    BOOST_TEST(contains(counted.out, "2 jobs would be edited (2 queued)"), counted.out << counted.err);
    BOOST_TEST(
        contains(n.run({"job", "edit", "--type", "held", "--payload", "{}"}).err, "--payload goes with ids"));
    declare(n, held_type + "false\n");
    BOOST_REQUIRE(reaches(n, first, "succeeded"));
    BOOST_REQUIRE(reaches(n, second, "succeeded"));
    BOOST_TEST(n.run({"job", "result", first}).out == "mended\n");
    const outcome late = n.run({"job", "edit", first, "--priority", "1"});
    BOOST_TEST(late.status == 1);
    BOOST_TEST(contains(late.err, "only one that waits can be changed"), late.err);
    const outcome checked = n.run({"check"});
    BOOST_TEST(checked.status == 0, checked.out << checked.err);
}

BOOST_AUTO_TEST_CASE(a_graphs_callback_runs_last_and_its_counts_are_live) {
    node n;
    declare(n, sh_type);
    const scratch_directory files;
    const std::string gate = (files / "gate").string();
    const std::string wait_for_gate = "until test -e " + gate + "; do sleep 0.05; done";
    const std::string graph =
        files.write("graph.ndjson", graph_line("close", "echo closed", true) + graph_line("bad", "exit 100") +
                                        graph_line("held", wait_for_gate));
    const outcome sent = n.run({"job", "submit", "--tenant", "default", "--graph", graph});
    BOOST_REQUIRE_MESSAGE(sent.status == 0, sent.err);
    const std::string close = first_line(sent.out);
    const auto counts = [&] {
        return json::parse(n.run({"job", "graph", close, "--counts", "-o", "json"}).out)["counts"];
    };
    BOOST_TEST(eventually([&] { return counts()["failed"] == 1 && counts()["running"] == 1; }));
    BOOST_TEST(job_of(n, close)["status"] == "blocked");
    const std::string why = n.run({"queue", "explain", close}).out;
    BOOST_TEST(contains(why, "waits for the 1 job of its graph that have not ended"), why);
    n.kill(SIGKILL); // the attempt that is under way is lost, and goes on elsewhere
    n.start_again();
    files.write("gate", "");
    BOOST_REQUIRE(reaches(n, close, "succeeded"));
    BOOST_TEST(contains(n.run({"job", "graph", close}).out, "3 jobs: 2 succeeded, 1 failed"));
    const std::string twice =
        files.write("twice.ndjson", graph_line("a", "true", true) + graph_line("b", "true", true));
    BOOST_TEST(contains(n.run({"job", "submit", "--tenant", "default", "--graph", twice}).err,
                        "is to be the graph's callback, and so is"));
    const outcome checked = n.run({"check"});
    BOOST_TEST(checked.status == 0, checked.out << checked.err);
}

BOOST_AUTO_TEST_CASE(a_trace_reaches_what_does_the_work_whoever_that_is) {
    const node n;
    testing::fake_endpoint server{
        [](const std::string&, const testing::fake_endpoint::send_function& send) { send(testing::whole("{}")); }};
    declare(n, sh_type + "---\nkind: JobType\nmetadata: {name: hook}\nspec: {executor: http, http: {url: '" +
                   server.url() +
                   "', private_networks: true}}\n---\nkind: JobType\nmetadata: {name: work}\n"
                   "spec: {executor: worker}\n");
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const auto submit = [&](const std::string& type, const std::string& payload) {
        return n.run({"job", "submit", "--tenant", "default", "--type", type, "--payload", payload, "--traceparent",
                      trace, "--wait"});
    };
    const std::string exec = first_line(submit("sh", R"({"script":"printf %s $TRACEPARENT"})").out);
    BOOST_TEST(n.run({"job", "result", exec}).out == trace);
    BOOST_TEST(job_of(n, exec)["traceparent"] == trace);
    submit("hook", "{}");
    BOOST_REQUIRE(server.requests().size() == 1U);
    BOOST_TEST(contains(server.requests()[0], "\r\ntraceparent: " + trace + "\r\n"));
    const auto worker = n.start({"worker", "--types", "work", "--", "sh", "-c", "printf %s $TRACEPARENT"});
    const std::string worked = first_line(submit("work", "{}").out);
    BOOST_TEST(n.run({"job", "result", worked}).out == trace);
    const outcome bad = n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--traceparent", "00-xyz"});
    BOOST_TEST(bad.status == 1);
    BOOST_TEST(contains(bad.err, "traceparent is no W3C Trace Context"), bad.err);
}

// Every span that a collector was sent, once or more often, by its name and job.
std::map<std::pair<std::string, std::string>, json> spans_of(const testing::fake_endpoint& collector) {
    std::map<std::pair<std::string, std::string>, json> spans;
    for (const std::string& request : collector.requests()) {
        const json body = json::parse(request.substr(request.find("\r\n\r\n") + 4));
        for (const json& of_resource : body["resourceSpans"])
            for (const json& of_scope : of_resource["scopeSpans"])
                for (const json& span : of_scope["spans"])
                    spans[{span["name"], span["attributes"][0]["value"]["stringValue"]}] = span;
    }
    return spans;
}

BOOST_AUTO_TEST_CASE(a_collector_is_told_the_life_of_traced_jobs_also_when_it_is_late) {
    std::atomic<bool> away{true};
    testing::fake_endpoint collector{[&](const std::string&, const testing::fake_endpoint::send_function& send) {
        send(away.exchange(false) ? testing::whole("later", "503 Busy") : testing::whole("{}"));
    }};
    const scratch_directory files;
    node n({.flags = {"--config",
                      files.write("node.yaml", "tracing: {endpoint: '" + collector.url() + "/v1/traces'}\n")}});
    declare(n, sh_type);
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
    const auto submit = [&](const std::string& script, const std::string& flags) {
        return first_line(n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--payload",
                                 json{{"script", script}}.dump(), "--traceparent", trace + flags, "--wait"})
                              .out);
    };
    const std::string good = submit("true", "01"), bad = submit("exit 100", "01");
    submit("true", "00"); // nobody records it
    BOOST_REQUIRE(eventually([&] { return spans_of(collector).size() == 6; }));
    const auto spans = spans_of(collector);
    for (const char* name : {"coppice.submit", "coppice.queue", "coppice.attempt"})
        for (const std::string& id : {good, bad}) {
            BOOST_REQUIRE(spans.contains({name, id}));
            const json& span = spans.at({name, id});
            BOOST_TEST((span["traceId"] == trace.substr(3, 32) && span["parentSpanId"] == trace.substr(36, 16)));
            BOOST_TEST(std::stoull(span["endTimeUnixNano"].get<std::string>()) >=
                       std::stoull(span["startTimeUnixNano"].get<std::string>()));
            const bool is_error = std::string{name} == "coppice.attempt" && id == bad;
            BOOST_TEST(span.contains("status") == is_error);
            if (is_error) BOOST_TEST(span["status"]["message"] == "exit_status");
        }
    const std::string metrics = n.run({"metrics"}).out;
    BOOST_TEST(contains(metrics, "operations_spans_dropped_total 0"), metrics);
    BOOST_TEST(n.stop() == 0);
}

BOOST_AUTO_TEST_CASE(jobs_are_found_by_their_key_and_by_what_their_payload_says) {
    const node n;
    declare(n, held_type + "true\n");
    const auto add = [&](const std::string& payload, const std::string& key) {
        return first_line(
            n.run({"job", "submit", "--tenant", "default", "--type", "held", "--payload", payload, "--key", key})
                .out);
    };
    const std::string one = add(R"({"word":"a","size":1.0})", "k1");
    const std::string two = add(R"({"word":"\u0061","size":2})", "k2");
    const std::string big = add(json{{"word", std::string(5000, 'w')}, {"size", 1}}.dump(), "k3");
    const auto found = [&](std::vector<std::string> flags) {
        flags.insert(flags.begin(), {"job", "list", "-o", "json"});
        const outcome o = n.run(flags);
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        std::set<std::string> ids;
        const json page = json::parse(o.out);
        for (const json& job : page["jobs"]) ids.insert(job["id"]);
        return ids;
    };
    using ids = std::set<std::string>;
    BOOST_TEST((found({"--tenant", "default", "--key", "k2"}) == ids{two}));
    BOOST_TEST(found({"--tenant", "default", "--key", "k2", "--status", "running"}).empty());
    BOOST_TEST(found({"--tenant", "default", "--key", "none"}).empty());
    BOOST_TEST((found({"--where", "word=a"}) == ids{one, two}));
    BOOST_TEST((found({"--where", "size=1"}) == ids{one, big}));
    BOOST_TEST(found({"--where", "size=\"1\""}).empty());
    BOOST_TEST(found({"--where", "size=1", "--until", "1h"}).empty());
    BOOST_TEST(contains(n.run({"job", "list", "--key", "k1"}).err, "name the tenant, too"));
    BOOST_TEST(n.run({"job", "list", "--where", "size"}).status == 2);
    const outcome cancelled = n.run({"job", "cancel", "--where", "word=a"});
    BOOST_TEST(contains(cancelled.out, "2 of 2 jobs cancelled"), cancelled.out << cancelled.err);
    BOOST_TEST(job_of(n, big)["status"] == "queued");
}

BOOST_AUTO_TEST_CASE(jobs_are_found_by_their_labels) {
    const node n;
    declare(n, held_type + "true\n");
    const scratch_directory files;
    const std::string graph = (files / "graph").string();
    std::ofstream(graph)
        << R"({"name":"a","type":"held","payload":{"word":"a"},"labels":{"team":"blue","run":"1"}})"
        << "\n"
        << R"({"name":"b","type":"held","payload":{"word":"b"},"after":["a"],"labels":{"team":"red"}})"
        << "\n";
    const outcome sent = n.run({"job", "submit", "--tenant", "default", "--graph", graph, "-o", "json"});
    BOOST_REQUIRE_MESSAGE(sent.status == 0, sent.err);
    const auto submit = [&](std::vector<std::string> labels) {
        std::vector<std::string> line{"job",    "submit", "--tenant",  "default",
                                      "--type", "held",   "--payload", R"({"word":"c"})"};
        for (const std::string& each : labels) line.insert(line.end(), {"--label", each});
        return n.run(line);
    };
    const std::string third = first_line(submit({"team=blue", "note=a = b"}).out);
    const auto found = [&](std::vector<std::string> flags) {
        flags.insert(flags.begin(), {"job", "list", "-o", "json"});
        const outcome o = n.run(flags);
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return json::parse(o.out)["jobs"].size();
    };
    BOOST_TEST(found({"--label", "team=blue"}) == 2U);
    BOOST_TEST(found({"--label", "team=blue", "--label", "run"}) == 1U);
    BOOST_TEST(found({"--label", "team"}) == 3U);
    BOOST_TEST(found({"--label", "team=b"}) == 0U);
    BOOST_TEST(found({"--label", "note=a = b"}) == 1U);
    BOOST_TEST(job_of(n, third)["labels"] == (json{{"team", "blue"}, {"note", "a = b"}}));

    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"team"},
                                                  {"Team=x"},
                                                  {"=x"},
                                                  {"t=" + std::string(129, 'v')},
                                                  {"t=1", "t=2"},
                                                  {"t=\x01"},
                                                  std::vector<std::string>(17, "t=1")}) {
        const outcome refused = submit(wrong);
        BOOST_TEST(refused.status == 1);
        BOOST_TEST(contains(refused.err, "label"), refused.err);
    }
    const outcome cancelled = n.run({"job", "cancel", "--label", "team=blue"});
    BOOST_TEST(contains(cancelled.out, "2 of 2 jobs cancelled"), cancelled.out << cancelled.err);
    const std::string again = json::parse(n.run({"job", "redrive", third, "-o", "json"}).out)["as"];
    BOOST_TEST(job_of(n, again)["labels"]["note"] == "a = b");
}

BOOST_AUTO_TEST_CASE(a_drain_ends_when_what_runs_has_ended_and_lets_nothing_more_start) {
    const node n;
    declare(n, sh_type);
    const scratch_directory files;
    const std::string gate = (files / "gate").string();
    const auto add = [&](const std::string& script) {
        return first_line(n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--payload",
                                 json{{"script", script}}.dump()})
                              .out);
    };
    const std::string runs = add("until test -e " + gate + "; do sleep 0.05; done");
    BOOST_REQUIRE(reaches(n, runs, "running"));
    const auto drain = n.start({"queue", "drain", "--type", "sh"});
    BOOST_REQUIRE(eventually([&] { return contains(drain->err(), "1 still running"); }));
    const std::string late = add("true");
    BOOST_TEST(!drain->ended());
    files.write("gate", "");
    BOOST_TEST(drain->wait() == 0);
    BOOST_TEST(contains(drain->out(), "drained"));
    BOOST_TEST(job_of(n, runs)["status"] == "succeeded");
    BOOST_TEST(job_of(n, late)["status"] == "queued");
    n.run({"queue", "resume", "--type", "sh"});
    BOOST_TEST(reaches(n, late, "succeeded"));
}

BOOST_AUTO_TEST_CASE(jobs_of_a_key_run_where_the_last_one_did) {
    const node n;
    declare(n, "kind: JobType\nmetadata: {name: cached}\nspec: {executor: worker, concurrency: {by: of, "
               "running_max: 5}, workers: {sticky: true}}\n");
    std::vector<std::unique_ptr<process>> workers;
    for (const std::string name : {"one", "two", "three"}) {
        workers.push_back(n.start({"worker", "--types", "cached", "--name", name, "--", "echo", name}));
        BOOST_REQUIRE(eventually([&] { return contains(n.run({"tree"}).out, "worker " + name); }));
    }
    const auto where = [&](const std::string& key) {
        const outcome o = n.run({"job", "submit", "--tenant", "default", "--type", "cached", "--payload",
                                 json{{"of", key}}.dump(), "--wait"});
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return n.run({"job", "result", first_line(o.out)}).out;
    };
    std::map<std::string, std::string> homes;
    for (const std::string key : {"a", "b", "c", "d"}) homes[key] = where(key);
    for (int round = 0; round < 2; ++round)
        for (const auto& [key, home] : homes) BOOST_TEST(where(key) == home);
    const outcome wrong =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: x}\nspec: {executor: worker, "
                                    "workers: {sticky: true}}\n");
    BOOST_TEST(contains(wrong.err + wrong.out, "goes with concurrency.by"), wrong.err);
}

BOOST_AUTO_TEST_CASE(a_job_waits_for_a_worker_with_the_labels_that_its_type_requires) {
    const node n;
    declare(n, "kind: JobType\nmetadata: {name: render}\nspec: {executor: worker, workers: {require: [gpu], "
               "prefer: [near]}}\n");
    const auto add = [&] {
        return first_line(n.run({"job", "submit", "--tenant", "default", "--type", "render"}).out);
    };
    const auto begin = [&](const std::string& name, std::vector<std::string> labels) {
        std::vector<std::string> line{"worker", "--types", "render", "--name", name};
        for (std::string& label : labels) line.insert(line.end(), {"--label", std::move(label)});
        line.insert(line.end(), {"--", "echo", name});
        auto worker = n.start(line);
        BOOST_REQUIRE(eventually([&] { return contains(n.run({"tree"}).out, "worker " + name); }));
        return worker;
    };
    const auto plain = begin("plain", {"near"});
    const std::string first = add();
    const std::string why = n.run({"queue", "explain", first}).out;
    BOOST_TEST(contains(why, "a free slot of a worker for \"render\" with gpu"), why);
    BOOST_TEST(job_of(n, first)["status"] == "queued");
    const auto far = begin("far", {"gpu"});
    BOOST_REQUIRE(reaches(n, first, "succeeded"));
    BOOST_TEST(n.run({"job", "result", first}).out == "far\n");
    const auto close = begin("close", {"gpu", "near"});
    for (int i = 0; i < 3; ++i) {
        const std::string id = add();
        BOOST_REQUIRE(reaches(n, id, "succeeded"));
        BOOST_TEST(n.run({"job", "result", id}).out == "close\n");
    }
    const outcome wrong =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: odd}\n"
                                    "spec: {executor: exec, argv: ['true'], workers: {require: [gpu]}}\n");
    BOOST_TEST(wrong.status != 0);
    BOOST_TEST(contains(wrong.err + wrong.out, "goes with executor worker"), wrong.err);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_waiting, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(labels_and_traces_go_to_and_from_a_worker_at_any_node) {
    const cluster_under_test c;
    const outcome declared = c.run(
        0, {"apply", "-f",
            c.files().write("documents.yaml", "kind: Tenant\nmetadata: {name: acme}\nspec: {types: ['*']}\n---\n"
                                              "kind: JobType\nmetadata: {name: render}\n"
                                              "spec: {executor: worker, workers: {require: [gpu]}}\n")});
    BOOST_REQUIRE_MESSAGE(declared.status == 0, declared.err);
    const std::size_t away = (c.primary() + 1) % c.size();
    const auto plain = c.begin(away, {"worker", "--types", "render", "--name", "plain", "--", "echo", "plain"});
    const auto fitting = c.begin(away, {"worker", "--types", "render", "--name", "fitting", "--label", "gpu", "--",
                                        "sh", "-c", "printf %s $TRACEPARENT"});
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const outcome sent =
        c.run(away, {"job", "submit", "--tenant", "acme", "--type", "render", "--traceparent", trace, "--wait"});
    BOOST_TEST(sent.status == 0, sent.err);
    BOOST_TEST(c.run(away, {"job", "result", first_line(sent.out)}).out == trace);
}

BOOST_AUTO_TEST_CASE(what_was_edited_and_counted_outlives_the_primary) {
    cluster_under_test c;
    const auto declare_types = [&](const std::string& paused) {
        const outcome o =
            c.run(0, {"apply", "-f",
                      c.files().write("documents.yaml", held_type + paused +
                                                            "\n---\nkind: Tenant\n"
                                                            "metadata: {name: acme}\nspec: {types: ['*']}\n")});
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
    };
    declare_types("true");
    const auto line = [](const std::string& name, bool callback) {
        return json{{"name", name}, {"type", "held"}, {"payload", {{"word", name}}}, {"callback", callback}}
                   .dump() +
               "\n";
    };
    const outcome sent =
        c.run(1, {"job", "submit", "--tenant", "acme", "--graph",
                  c.files().write("g.ndjson", line("a", false) + line("b", false) + line("z", true))});
    BOOST_REQUIRE_MESSAGE(sent.status == 0, sent.err);
    const std::string a = first_line(sent.out);
    const outcome edited = c.run(2, {"job", "edit", a, "--payload", R"({"word":"other"})"});
    BOOST_TEST(edited.status == 0, edited.err);
    BOOST_REQUIRE(c.all_in_sync(3));
    const std::size_t before = c.primary();
    c.kill(before, SIGKILL);
    const std::size_t now = c.primary(before);
    const outcome released = c.run(now, {"apply", "-f", c.files().write("run.yaml", held_type + "false\n")});
    BOOST_REQUIRE_MESSAGE(released.status == 0, released.err);
    BOOST_TEST(eventually([&] { return contains(c.run(now, {"job", "graph", a}).out, "3 jobs: 3 succeeded"); }));
    BOOST_TEST(c.run(now, {"job", "result", a}).out == "other\n");
    const outcome checked = c.run(now, {"check"});
    BOOST_TEST(checked.status == 0, checked.out << checked.err);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
