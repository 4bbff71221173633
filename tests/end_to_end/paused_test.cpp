// How fast nodes start jobs, as an operator sets it; and what `coppice top` and `doctor` tell of all nodes at once.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string paused_sh_type = "kind: JobType\nmetadata: {name: sh}\nspec:\n  executor: exec\n"
                                   "  argv: [sh, -c, \"{{script}}\"]\n  attempts_max: 2\n";

} // namespace

BOOST_AUTO_TEST_SUITE(paused_suite)

BOOST_AUTO_TEST_CASE(a_node_that_starts_paused_is_released_as_fast_as_it_is_told) {
    node n({.flags = {"--paused"}});
    declare(n, paused_sh_type);
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i)
        ids.push_back(first_line(
            n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--payload", R"({"script":"true"})"})
                .out));
    BOOST_TEST(contains(n.run({"queue", "explain", ids[0]}).out, "this node is paused"));
    BOOST_TEST(contains(n.run({"top", "--count", "1"}).out, "1 of the nodes are paused"));
    BOOST_TEST(contains(n.run({"metrics"}).out, "operations_starts_per_second_max 0\n"));
    for (const std::string& id : ids) BOOST_TEST(job_of(n, id)["status"] == "queued");

    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(contains(n.run({"node", "release", "--rate", "5"}).out, "starts at most 5 jobs a second"));
    for (const std::string& id : ids) BOOST_TEST(reaches(n, id, "succeeded"));
    // One at once, eleven more at five a second.
    BOOST_TEST((std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds{2100}));

    BOOST_TEST(contains(n.run({"node", "pause", "-o", "json"}).out, "\"paused\":true"));
    const std::string held = first_line(
        n.run({"job", "submit", "--tenant", "default", "--type", "sh", "--payload", R"({"script":"true"})"}).out);
    BOOST_TEST(job_of(n, held)["status"] == "queued");
    BOOST_TEST(n.run({"node", "release"}).status == 0);
    BOOST_TEST(reaches(n, held, "succeeded"));
    BOOST_TEST(contains(n.run({"metrics"}).out, "operations_starts_per_second_max +Inf\n"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_paused, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(all_nodes_are_watched_paused_and_released_at_once) {
    const cluster_under_test c;
    const auto read = [&](std::size_t at, const std::vector<std::string>& line) {
        const outcome o = c.run(at, line);
        BOOST_REQUIRE_MESSAGE(json::accept(o.out), o.out << o.err);
        return json::parse(o.out);
    };
    const auto top = [&] { return read(1, {"top", "--count", "1", "-o", "json"}); };
    BOOST_TEST(top()["nodes"] == 3);
    BOOST_TEST(c.run(0, {"node", "pause", "--all"}).status == 0);
    BOOST_TEST(top()["nodes_paused"] == 3);
    const std::string id = first_line(c.run(2, {"job", "submit", "--tenant", "acme", "--type", "echo"}).out);
    BOOST_TEST(read(1, {"job", "get", id, "-o", "json"})["status"] == "queued");
    BOOST_TEST(c.run(1, {"node", "release", "--all", "--rate", "10"}).status == 0);
    BOOST_TEST(top()["nodes_slowed"] == 3);
    BOOST_TEST(eventually([&] { return read(1, {"job", "get", id, "-o", "json"})["status"] == "succeeded"; }));
    const outcome walks = c.run(2, {"doctor", "--all", "-o", "json"});
    BOOST_TEST(walks.status == 0, walks.out << walks.err);
    BOOST_TEST(std::ranges::count(walks.out, '\n') == 3);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
