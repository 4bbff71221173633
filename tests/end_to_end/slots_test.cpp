// Jobs that take several slots at once, on one node and where the shards of a cluster share a worker's slots.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

} // namespace

BOOST_AUTO_TEST_SUITE(slots_suite)

BOOST_AUTO_TEST_CASE(a_program_is_told_its_slots_and_others_wait_for_theirs) {
    const node n; // runs four programs at a time
    const scratch_directory files;
    const std::string gate = (files / "gate").string();
    declare(n, "kind: JobType\nmetadata: {name: wide}\nspec:\n  executor: exec\n  slots: 3\n"
               "  argv: [sh, -c, 'until test -e " +
                   gate +
                   "; do sleep 0.05; done; echo $JOB_SLOTS']\n---\n"
                   "kind: JobType\nmetadata: {name: narrow}\nspec: {executor: exec, argv: ['true']}\n");
    const auto add = [&](const std::string& type) {
        return first_line(n.run({"job", "submit", "--tenant", "default", "--type", type}).out);
    };
    const std::string first = add("wide");
    BOOST_REQUIRE(reaches(n, first, "running"));
    const std::string second = add("wide");
    BOOST_TEST(contains(n.run({"queue", "explain", second}).out, "3 free slots at once of a worker for \"wide\""));
    BOOST_TEST(job_of(n, second)["status"] == "queued");
    BOOST_TEST(contains(n.run({"get", "jobtype", "wide", "-o", "yaml"}).out, "slots: 3"));
    files.write("gate", "");
    BOOST_TEST(reaches(n, second, "succeeded"));
    BOOST_TEST(n.run({"job", "result", first}).out == "3\n");
    BOOST_TEST(reaches(n, add("narrow"), "succeeded"));
    const outcome wrong =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: x}\nspec: {executor: worker, slots: 2000}\n");
    BOOST_TEST(contains(wrong.err + wrong.out, "1 to 1024"), wrong.err + wrong.out);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_slots, *boost::unit_test::enable_if<!sanitized>())

// Three shards share a worker's six slots, and in each of them work of one slot never ends: a job of all six starts
// nevertheless, and so does the next one, of another shard.
BOOST_AUTO_TEST_CASE(a_job_of_all_slots_of_a_worker_starts_though_other_shards_have_endless_work) {
    const cluster_under_test c;
    const std::string documents = c.files().write(
        "types.yaml", "kind: JobType\nmetadata: {name: narrow}\nspec: {executor: worker}\n---\n"
                      "kind: JobType\nmetadata: {name: wide}\nspec: {executor: worker, slots: 6}\n---\n"
                      "kind: Tenant\nmetadata: {name: acme}\nspec: {types: ['*']}\n---\n"
                      "kind: Tenant\nmetadata: {name: globex}\nspec: {types: ['*']}\n---\n"
                      "kind: Tenant\nmetadata: {name: initech}\nspec: {types: ['*']}\n");
    const outcome applied = c.run(0, {"apply", "-f", documents});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    const std::vector<std::string> tenants{"acme", "globex", "initech"};
    for (const std::string& tenant : tenants) {
        std::string lines;
        for (int i = 0; i < 1000; ++i) lines += json{{"tenant", tenant}, {"type", "narrow"}}.dump() + "\n";
        const outcome o = c.run(0, {"job", "submit", "-f", c.files().write("jobs.ndjson", lines)});
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
    }
    const auto worker =
        c.begin(1, {"worker", "--types", "narrow,wide", "--slots", "6", "--", "sh", "-c", "sleep 0.1"});
    const auto status = [&](const std::string& id) {
        const outcome o = c.run(0, {"job", "get", id, "-o", "json"});
        return json::accept(o.out) ? json::parse(o.out)["status"].get<std::string>() : o.err;
    };
    std::vector<std::string> wide;
    for (const std::string& tenant : tenants)
        wide.push_back(
            first_line(c.run(0, {"job", "submit", "--tenant", tenant, "--type", "wide", "--priority", "1"}).out));
    for (const std::string& id : wide)
        BOOST_TEST(eventually([&] { return status(id) == "succeeded"; }), id << " is " << status(id));
    // The work of one slot, which came before, was not through.
    for (const std::string& tenant : tenants) {
        const outcome left =
            c.run(0, {"job", "list", "--tenant", tenant, "--status", "queued", "--type", "narrow"});
        BOOST_TEST(!left.out.empty(), left.err);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
