// What is done with jobs that have ended, as an operator does it: done again, deleted, swept away; by id and by
// filter.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string shell_type = "kind: JobType\nmetadata: {name: sh}\nspec:\n  executor: exec\n"
                               "  argv: [sh, -c, \"{{script}}\"]\n  attempts_max: 1\n";

class endings_node {
  public:
    endings_node() { apply(shell_type); }

    void apply(const std::string& documents) const { declare(n, documents); }
    // A job that has ended, or is to wait for `after`.
    std::string add(const std::string& script, const std::string& after = {}) const {
        std::vector<std::string> line{"job",    "submit", "--tenant",  "default",
                                      "--type", "sh",     "--payload", json{{"script", script}}.dump()};
        if (!after.empty()) line.insert(line.end(), {"--after", after});
        if (after.empty()) line.emplace_back("--wait");
        return first_line(n.run(line).out);
    }
    json run_json(std::vector<std::string> line) const {
        line.insert(line.end(), {"-o", "json"});
        const outcome o = n.run(line);
        BOOST_REQUIRE_MESSAGE(json::accept(o.out), o.out << o.err);
        return json::parse(o.out);
    }
    std::string status(const std::string& id) const { return job_of(n, id)["status"]; }
    bool exists(const std::string& id) const { return n.run({"job", "get", id}).status == 0; }
    void must_be_sound() const {
        const outcome o = n.run({"check"});
        BOOST_TEST(o.status == 0, o.out << o.err);
    }

    scratch_directory files;
    node n;
};

} // namespace

BOOST_AUTO_TEST_SUITE(endings_suite)

BOOST_AUTO_TEST_CASE(failed_jobs_are_counted_and_then_done_again_each_once) {
    endings_node e;
    const std::string mended = (e.files / "mended").string();
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(e.add("test -e " + mended));
    e.add("true");
    const std::vector<std::string> redrive{"job", "redrive", "--tenant", "default", "--status", "failed"};
    auto counted = redrive;
    counted.emplace_back("--dry-run");
    const json would = e.run_json(counted);
    BOOST_TEST((would["matched"] == 3 && would["redriven"] == 0 && would["by_status"] == json{{"failed", 3}}));
    BOOST_TEST(contains(e.n.run(counted).out, "3 jobs would be redriven (3 failed)"));

    e.files.write("mended", "");
    BOOST_TEST(e.run_json(redrive)["redriven"] == 3);
    for (const std::string& id : ids) {
        const std::string again = job_of(e.n, id)["redriven_as"];
        BOOST_TEST(eventually([&] { return e.status(again) == "succeeded"; }));
        BOOST_TEST(job_of(e.n, again)["redrives"] == id);
        BOOST_TEST(e.status(id) == "failed");
    }
    BOOST_TEST(e.run_json(redrive)["matched"] == 0); // each was redriven already
    e.n.kill(SIGKILL);
    e.n.start_again();
    const std::string before = job_of(e.n, ids[0])["redriven_as"];
    BOOST_TEST(e.n.run({"job", "redrive", ids[0]}).out == ids[0] + "  redriven as " + before + "\n");
    const outcome no = e.n.run({"job", "redrive", before});
    BOOST_TEST(no.status == 1);
    BOOST_TEST(contains(no.err, "only one that failed or was cancelled can be redriven"), no.err);
    e.must_be_sound();
}

BOOST_AUTO_TEST_CASE(a_child_is_done_again_after_its_parent_and_not_without_it) {
    endings_node e;
    const std::string mended = (e.files / "mended").string();
    const std::string parent = e.add("sleep 0.3; test -e " + mended + " && echo from-parent");
    const std::string child = e.add("cat $JOB_PARENTS", parent);
    BOOST_TEST(e.status(child) == "cancelled");
    const outcome alone = e.n.run({"job", "redrive", child});
    BOOST_TEST(contains(alone.err, "it would wait for job " + parent + ", which is failed; redrive that first"),
               alone.err);
    e.files.write("mended", "");
    BOOST_TEST(e.n.run({"job", "redrive", child, parent}).status == 0); // in whatever order
    const std::string again = job_of(e.n, child)["redriven_as"];
    BOOST_TEST(job_of(e.n, again)["after"] == json::array({job_of(e.n, parent)["redriven_as"]}));
    BOOST_TEST(eventually([&] { return e.status(again) == "succeeded"; }));
    BOOST_TEST(contains(e.n.run({"job", "result", again}).out, "from-parent"));
}

BOOST_AUTO_TEST_CASE(a_redrive_goes_by_the_schema_of_today) {
    endings_node e;
    const std::string id = e.add("false");
    e.apply(shell_type + "  schema: {type: object, required: [more]}\n");
    const outcome no = e.n.run({"job", "redrive", id});
    BOOST_TEST(no.status == 1);
    BOOST_TEST(contains(no.err, "payload_invalid"), no.err);
    BOOST_TEST(!job_of(e.n, id).contains("redriven_as"));
}

BOOST_AUTO_TEST_CASE(what_a_filter_finds_is_cancelled_or_deleted_and_nothing_else) {
    endings_node e;
    const std::string good = e.add("true"), bad = e.add("exit 3"), late = e.add("exit 124");
    std::vector<std::string> waiting;
    const std::string long_one = first_line(
        e.n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--payload", R"({"script": "sleep 60"})"})
            .out);
    for (int i = 0; i < 3; ++i) waiting.push_back(e.add("true", long_one));

    BOOST_TEST(e.run_json({"job", "cancel", "--status", "blocked", "--reason", "enough"})["cancelled"] == 3);
    for (const std::string& id : waiting)
        BOOST_TEST(contains(job_of(e.n, id)["error"]["message"].get<std::string>(), "enough"));
    BOOST_TEST((e.status(long_one) == "running" || e.status(long_one) == "queued"));

    BOOST_TEST(e.run_json({"job", "list", "--error", "exit_status"})["jobs"].size() == 2U);
    BOOST_TEST(e.run_json({"job", "list", "--until", "1h"})["jobs"].empty());
    BOOST_TEST(e.run_json({"job", "list", "--since", "1h", "--tenant", "default"})["jobs"].size() == 7U);
    const std::string middle = job_of(e.n, late)["submitted_at"];
    const json before = e.run_json({"job", "list", "--tenant", "default", "--until", middle});
    BOOST_REQUIRE(before["jobs"].size() == 2U);
    BOOST_TEST((before["jobs"][0]["id"] == bad && before["jobs"][1]["id"] == good));
    BOOST_TEST(e.run_json({"job", "list", "--tenant", "default", "--since", middle})["jobs"].size() == 5U);

    BOOST_TEST(e.run_json({"job", "delete", "--error", "exit_status", "--dry-run"})["matched"] == 2);
    BOOST_TEST(e.exists(bad));
    BOOST_TEST(e.run_json({"job", "delete", "--tenant", "default"})["deleted"] == 6);
    for (const std::string& id : {good, bad, late, waiting[0]}) BOOST_TEST(!e.exists(id));
    BOOST_TEST(e.exists(long_one)); // it has not ended
    const outcome running = e.n.run({"job", "delete", long_one});
    BOOST_TEST((running.status == 1 && contains(running.err, "cancel it first")), running.err);
    e.must_be_sound();
}

BOOST_AUTO_TEST_CASE(payloads_that_are_too_much_for_one_call_go_in_several) {
    const endings_node e;
    e.apply("kind: JobType\nmetadata: {name: big}\nspec: {executor: exec, argv: ['false'], attempts_max: 1}\n");
    std::string lines;
    for (int i = 0; i < 40; ++i)
        lines += json{{"tenant", "default"}, {"type", "big"}, {"payload", std::string(250'000, 'x')}}.dump() + "\n";
    BOOST_TEST(e.n.run({"job", "submit", "--file", "-", "--wait"}, lines).status == 1); // all of them fail
    BOOST_TEST(e.run_json({"job", "redrive", "--type", "big"})["redriven"] == 40);
    BOOST_TEST(e.run_json({"job", "list", "--type", "big", "--limit", "100"})["jobs"].size() == 80U);
}

BOOST_AUTO_TEST_CASE(what_is_left_of_a_graph_is_told) {
    const endings_node e;
    const auto line = [](const std::string& name, const std::vector<std::string>& after) {
        return json{{"name", name}, {"type", "sh"}, {"payload", {{"script", "true"}}}, {"after", after}}.dump() +
               "\n";
    };
    const std::string file = e.files.write("g.ndjson", line("a", {}) + line("b", {"a"}) + line("c", {"b"}));
    const outcome sent = e.n.run({"job", "submit", "--tenant", "default", "--graph", file, "--wait"});
    BOOST_REQUIRE_MESSAGE(sent.status == 0, sent.err);
    std::istringstream out(sent.out);
    std::string a, b, c;
    out >> a >> b >> c;
    BOOST_TEST(e.n.run({"job", "delete", b}).status == 0);
    const std::string left = e.n.run({"job", "graph", c}).out;
    BOOST_TEST((contains(left, a) && !contains(left, b + " ") && contains(left, c)), left);
    BOOST_TEST(e.n.run({"job", "delete", a}).status == 0); // it stood for the graph
    BOOST_TEST(contains(e.n.run({"job", "graph", c}).out, c));
    e.must_be_sound();
}

BOOST_AUTO_TEST_CASE(a_change_says_of_what_and_a_wrong_word_is_named) {
    const node n;
    BOOST_TEST(n.run({"job", "delete"}).status == 2);
    BOOST_TEST(n.run({"job", "delete", "--status", "failed", "0199a1b2-c3d4-7000-8000-000000000001"}).status == 2);
    const outcome when = n.run({"job", "list", "--since", "yesterday"});
    BOOST_TEST((when.status == 2 && contains(when.err, "--since: \"yesterday\" is neither a time")), when.err);
    const outcome code = n.run({"job", "cancel", "--error", "bad_luck"});
    BOOST_TEST((code.status == 2 && contains(code.err, "\"bad_luck\" is no code of an error")), code.err);
}

BOOST_AUTO_TEST_CASE(ended_jobs_go_when_their_time_is_over_also_after_a_kill) {
    endings_node e;
    e.apply("kind: Tenant\nmetadata: {name: default}\nspec: {types: ['*'], keep: {succeeded: 1s, failed: 1h}}\n");
    BOOST_TEST(contains(e.n.run({"get", "tenant", "default", "-o", "json"}).out, "\"keep\":{\"succeeded\":\"1s\""));
    const std::string good = e.add("true"), bad = e.add("false");
    BOOST_TEST(eventually([&] { return !e.exists(good); }));
    BOOST_TEST(e.exists(bad));
    const std::string killed = e.add("true");
    e.n.kill(SIGKILL);
    e.n.start_again();
    BOOST_TEST(eventually([&] { return !e.exists(killed); }));
    BOOST_TEST(e.exists(bad));
    e.must_be_sound();
    const outcome wrong =
        e.n.run({"apply", "-f", "-"},
                "kind: Tenant\nmetadata: {name: default}\nspec: {types: ['*'], keep: {queued: 1s}}\n");
    BOOST_TEST((wrong.status == 1 && contains(wrong.err, "queued")), wrong.err);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
