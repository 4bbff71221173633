// Keys whose jobs run at one worker alone, as long as it takes work: on one node, and where shards share its slots.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string hard_type = "kind: JobType\nmetadata: {name: pinned}\nspec: {executor: worker, concurrency: {by: "
                              "of, running_max: 5}, workers: {sticky: hard}}\n";

std::vector<std::string> submission(const std::string& tenant, const std::string& key) {
    return {"job", "submit", "--tenant", tenant, "--type", "pinned", "--payload", json{{"of", key}}.dump()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(hard_sticky_suite)

BOOST_AUTO_TEST_CASE(a_key_waits_for_its_worker_until_that_is_gone) {
    const node n;
    const scratch_directory files;
    declare(n, hard_type);
    // Says its name when somebody opens the job's gate.
    std::map<std::string, std::unique_ptr<process>> workers;
    for (const std::string name : {"one", "two"}) {
        workers[name] =
            n.start({"worker", "--types", "pinned", "--name", name, "--slots", "1", "--", "sh", "-c",
                     "until test -e " + (files / "$JOB_ID").string() + "; do sleep 0.02; done; echo " + name});
        BOOST_REQUIRE(eventually([&] { return contains(n.run({"tree"}).out, "worker " + name); }));
    }
    const auto add = [&](const std::string& key) {
        const outcome o = n.run(submission("default", key));
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return first_line(o.out);
    };
    const auto end = [&](const std::string& id) {
        files.write(id, "");
        BOOST_REQUIRE(reaches(n, id, "succeeded"));
        return first_line(n.run({"job", "result", id}).out);
    };
    const std::string first = add("a");
    BOOST_REQUIRE(reaches(n, first, "running"));
    const std::string second = add("a");
    const std::string other = add("b");
    BOOST_REQUIRE(reaches(n, other, "running")); // at the other one, past the job that waits
    const std::string why = n.run({"queue", "explain", second}).out;
    BOOST_TEST(contains(why, "the last job with its \"of\", of that one alone"), why);
    const std::string elsewhere = end(other);
    const std::string beside = add("b");
    BOOST_REQUIRE(reaches(n, beside, "running"));
    BOOST_TEST(job_of(n, second)["status"] == "queued");
    BOOST_TEST(end(beside) == elsewhere);
    const std::string home = end(first);
    BOOST_TEST(home != elsewhere);
    BOOST_REQUIRE(reaches(n, second, "running"));
    const std::string third = add("a");
    // Its worker is gone: what waited goes to the other one, and what ran there runs again, after that.
    BOOST_TEST(workers.at(home)->kill(SIGKILL) != 0);
    BOOST_TEST(end(third) == elsewhere);
    BOOST_TEST(end(second) == elsewhere);
    BOOST_TEST(contains(n.run({"get", "jobtype", "pinned", "-o", "yaml"}).out, "sticky: hard"));
    const outcome wrong =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: x}\nspec: {executor: worker, slots: 2, "
                                    "concurrency: {by: of, running_max: 5}, workers: {sticky: hard}}\n");
    BOOST_TEST(contains(wrong.err + wrong.out, "hard goes with slots: 1"), wrong.err + wrong.out);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_hard_sticky, *boost::unit_test::enable_if<!sanitized>())

// The tenants' keys, of three shards, live at a worker with two slots; none of their jobs goes to the other one,
// which has nothing to do, and all are done.
BOOST_AUTO_TEST_CASE(shards_share_the_slots_of_the_worker_that_their_keys_wait_for) {
    const cluster_under_test c;
    const outcome applied =
        c.run(0, {"apply", "-f",
                  c.files().write("types.yaml",
                                  hard_type + "---\nkind: Tenant\nmetadata: {name: acme}\nspec: {types: ['*']}\n"
                                              "---\nkind: Tenant\nmetadata: {name: globex}\nspec: {types: "
                                              "['*']}\n---\nkind: Tenant\nmetadata: {name: initech}\n"
                                              "spec: {types: ['*']}\n")});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    const auto begin = [&](std::size_t at, const std::string& name) {
        auto worker = c.begin(at, {"worker", "--types", "pinned", "--name", name, "--slots", "2", "--", "sh", "-c",
                                   "sleep 0.02; echo " + name});
        BOOST_REQUIRE(eventually([&] { return contains(c.run(at, {"tree"}).out, "worker " + name); }));
        return worker;
    };
    const auto home = begin(1, "home");
    const std::vector<std::string> tenants{"acme", "globex", "initech"};
    const auto add = [&](const std::string& tenant) {
        const outcome o = c.run(0, submission(tenant, "k"));
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return first_line(o.out);
    };
    const auto result = [&](const std::string& id) {
        BOOST_REQUIRE(eventually([&] {
            const outcome o = c.run(0, {"job", "get", id, "-o", "json"});
            return json::accept(o.out) && json::parse(o.out)["status"] == "succeeded";
        }));
        return first_line(c.run(0, {"job", "result", id}).out);
    };
    for (const std::string& tenant : tenants) BOOST_TEST(result(add(tenant)) == "home");
    const auto idle = begin(2, "idle");
    std::vector<std::string> all;
    for (int i = 0; i < 5; ++i)
        for (const std::string& tenant : tenants) all.push_back(add(tenant));
    for (const std::string& id : all) BOOST_TEST(result(id) == "home");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
