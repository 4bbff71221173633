// Limits, unique jobs, graphs and checkpoints as a user meets them: real jobs that leave a mark when they meet what
// they must not, real rates, a node that is killed in between.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "schema/time.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

class limited_node {
  public:
    explicit limited_node(const std::string& documents) { apply(documents); }

    void apply(const std::string& documents) { declare(n, documents); }
    std::string add(const std::string& type, const json& payload) const {
        const outcome o =
            n.run({"job", "submit", "--tenant", "default", "--type", type, "--payload", payload.dump()});
        BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
        return first_line(o.out);
    }
    std::string status(const std::string& id) const { return job_of(n, id)["status"]; }
    bool ends(const std::string& id) const {
        return eventually([&] { return status(id) == "succeeded" || status(id) == "failed"; });
    }
    std::string mark(const std::string& name) const { return (marks / name).string(); }

    scratch_directory marks;
    node n;
};

std::string job_type(const std::string& name, const std::string& script, const std::string& more) {
    return "---\nkind: JobType\nmetadata: {name: " + name + "}\nspec:\n  executor: exec\n  argv: [sh, -c, " +
           json(script).dump() + ", job, \"{{dir}}\", \"{{key}}\"]\n  retry: {base: 10ms, max: 10ms}\n" + more;
}

// Two that run at a time leave a file "met".
const std::string meeting = "mkdir \"$1/$2\" 2>/dev/null || touch \"$1/met\"; sleep 0.05; rmdir \"$1/$2\"; true";

// The same, but the first waits until another has met it.
const std::string waiting_meeting = "mkdir \"$1/$2\" 2>/dev/null || touch \"$1/met\"; "
                                    "until [ -e \"$1/met\" ]; do sleep 0.05; done; rmdir \"$1/$2\"; true";

std::vector<std::string> lines_of_text(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

} // namespace

BOOST_AUTO_TEST_SUITE(limits_suite)

BOOST_AUTO_TEST_CASE(jobs_of_one_key_never_meet_and_those_of_others_run_beside_them) {
    limited_node l{job_type("apart", meeting, "  concurrency: {by: key, running_max: 1}\n")};
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i)
        ids.push_back(l.add("apart", {{"dir", l.mark("")}, {"key", i % 3 == 0 ? "a" : "b"}}));
    for (const std::string& id : ids) BOOST_TEST(l.ends(id));
    BOOST_TEST(!std::filesystem::exists(l.mark("met")));
    // The mark means something: without the limit they meet.
    l.apply(job_type("apart", waiting_meeting, ""));
    for (int i = 0; i < 2; ++i) ids.push_back(l.add("apart", {{"dir", l.mark("")}, {"key", "a"}}));
    for (const std::string& id : ids) BOOST_TEST(l.ends(id));
    BOOST_TEST(std::filesystem::exists(l.mark("met")));
}

BOOST_AUTO_TEST_CASE(a_rate_spaces_the_starts_of_a_tenant) {
    limited_node l{job_type("quick", "true", "")};
    l.apply("kind: Tenant\nmetadata: {name: default}\nspec: {types: ['*'], rate: {starts: 10, per: 2s}}\n");
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(l.add("quick", {{"dir", ""}, {"key", ""}}));
    std::vector<instant> started;
    for (const std::string& id : ids) {
        BOOST_REQUIRE(l.ends(id));
        started.push_back(*parse_rfc3339(job_of(l.n, id)["started_at"].get<std::string>()));
    }
    std::ranges::sort(started);
    for (std::size_t i = 1; i < started.size(); ++i) BOOST_TEST((started[i] - started[i - 1] >= milliseconds{200}));
}

BOOST_AUTO_TEST_CASE(what_holds_a_job_is_said_in_words_and_ends_with_the_pause) {
    limited_node l{job_type("held", "sleep 30", "  concurrency: {by: key, running_max: 1}\n") +
                   job_type("quick", "true", "")};
    const std::string runs = l.add("held", {{"dir", ""}, {"key", "a"}}),
                      waits = l.add("held", {{"dir", ""}, {"key", "a"}});
    const auto explained = [&](const std::string& id) { return l.n.run({"queue", "explain", id}).out; };
    BOOST_TEST(eventually([&] { return contains(explained(runs), "runs: attempt 1"); }));
    BOOST_TEST(contains(explained(waits), "jobs with its \"key\" run 1 times; concurrency.running_max is 1"));
    const outcome paused = l.n.run({"queue", "pause", "--type", "quick"});
    BOOST_TEST(contains(paused.out, "JobType quick is paused"), paused.out << paused.err);
    BOOST_TEST(contains(l.n.run({"queue", "pause", "--type", "quick"}).out, "was paused already"));
    const std::string quick = l.add("quick", {{"dir", ""}, {"key", ""}});
    BOOST_TEST(contains(explained(quick), "job type \"quick\" is paused"));
    BOOST_TEST(json::parse(l.n.run({"queue", "explain", quick, "-o", "json"}).out)["reasons"].size() == 1U);
    l.n.kill(SIGKILL);
    l.n.start_again();
    BOOST_TEST(l.status(quick) == "queued"); // it is declared, so it outlives the node
    BOOST_TEST(l.n.run({"queue", "resume", "--type", "quick"}).status == 0);
    BOOST_TEST(l.ends(quick));
    BOOST_TEST(contains(explained(quick), "is succeeded since"));
    BOOST_TEST(l.n.run({"queue", "pause"}).status == 2);
    BOOST_TEST(l.n.run({"queue", "pause", "--tenant", "nobody"}).status != 0);
}

BOOST_AUTO_TEST_CASE(a_like_job_answers_with_the_id_of_the_one_that_is_there) {
    limited_node l{job_type("once", "sleep 30", "  unique: {by: [key]}\n")};
    const std::string first = l.add("once", {{"dir", "x"}, {"key", "a"}});
    BOOST_TEST(l.add("once", {{"dir", "y"}, {"key", "a"}}) == first);
    BOOST_TEST(l.add("once", {{"dir", "x"}, {"key", "b"}}) != first);
    l.n.kill(SIGKILL);
    l.n.start_again();
    BOOST_TEST(l.add("once", {{"dir", "z"}, {"key", "a"}}) == first);
    BOOST_TEST(l.n.run({"job", "cancel", first}).status == 0);
    BOOST_TEST(eventually([&] { return l.add("once", {{"dir", "z"}, {"key", "a"}}) != first; }));
}

BOOST_AUTO_TEST_CASE(a_graph_runs_in_its_order_over_a_kill_and_is_drawn) {
    const node n;
    const auto line = [](const std::string& name, const std::string& script, const std::vector<std::string>& after,
                         bool anyway = false) {
        return json{{"name", name},
                    {"type", "exec"},
                    {"payload", {{"argv", {"sh", "-c", script}}}},
                    {"after", after},
                    {"anyway", anyway}}
                   .dump() +
               "\n";
    };
    const scratch_directory files;
    const std::string graph =
        files.write("graph.ndjson", line("last", "cat $JOB_PARENTS", {"left", "right"}, true) +
                                        line("left", "echo l", {"first"}) + line("right", "exit 100", {"first"}) +
                                        line("first", "echo f", {}) + line("never", "true", {"right"}));
    const outcome sent =
        n.run({"job", "submit", "--tenant", "default", "--graph", graph, "--key", "nightly", "--wait"});
    BOOST_TEST(sent.status == 1);
    BOOST_TEST(contains(sent.err, "3 of 5 jobs succeeded"), sent.err);
    const auto ids = lines_of_text(sent.out);
    BOOST_REQUIRE(ids.size() == 5U);
    BOOST_TEST(job_of(n, ids[4])["status"] == "cancelled");
    const std::string parents = n.run({"job", "result", ids[0]}).out;
    BOOST_TEST(contains(parents, "\"state\":\"failed\""), parents);
    BOOST_TEST(contains(parents, "\"result\":\"l\\n\""), parents);
    const outcome again = n.run({"job", "submit", "--tenant", "default", "--graph", graph, "--key", "nightly"});
    BOOST_TEST(again.out == sent.out);
    BOOST_TEST(contains(again.err, "the key was used before"));
    const auto drawn = lines_of_text(n.run({"job", "graph", ids[2]}).out);
    BOOST_REQUIRE(drawn.size() == 6U);
    BOOST_TEST(drawn[5] == "5 jobs: 3 succeeded, 1 failed, 1 cancelled");
    BOOST_TEST(drawn[0].starts_with("1  " + ids[3]), drawn[0]);
    BOOST_TEST(contains(n.run({"job", "graph", ids[2], "--dot"}).out, "\"" + ids[3] + "\" -> \"" + ids[1] + "\";"));
    const std::string circle = files.write("circle.ndjson", line("a", "true", {"b"}) + line("b", "true", {"a"}));
    const outcome refused = n.run({"job", "submit", "--tenant", "default", "--graph", circle});
    BOOST_TEST(refused.status != 0);
    BOOST_TEST(contains(refused.err, "the graph has a cycle: \"a\" after \"b\" after \"a\""), refused.err);
    const std::string lonely = files.write("lonely.ndjson", line("a", "true", {"c"}));
    BOOST_TEST(contains(n.run({"job", "submit", "--tenant", "default", "--graph", lonely}).err,
                        "job \"a\" is to run after \"c\", which is no job of this graph"));
    BOOST_TEST(json::parse(n.run({"job", "list", "-o", "json"}).out)["jobs"].size() == 5U);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_outlives_a_failure_and_a_killed_node) {
    // The first attempt saves and fails, the second saves and hangs until its node is killed, the third ends.
    const std::string script = "case \"$(cat ${JOB_CHECKPOINT:-/dev/null})\" in"
                               " '') echo '::checkpoint one' >&2; exit 1;;"
                               " one) echo '::checkpoint second' >&2; sleep 60;;"
                               " *) cat $JOB_CHECKPOINT;; esac";
    limited_node l{job_type("long", script, "")};
    const std::string id = l.add("long", {{"dir", ""}, {"key", ""}});
    BOOST_REQUIRE(eventually([&] { return job_of(l.n, id)["checkpoint_size"] == 6; }));
    l.n.kill(SIGKILL);
    l.n.start_again();
    BOOST_REQUIRE(l.ends(id));
    BOOST_TEST(l.n.run({"job", "result", id}).out == "second");
    BOOST_TEST(job_of(l.n, id)["checkpoint_size"] == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
