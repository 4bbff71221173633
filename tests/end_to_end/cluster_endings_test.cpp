// Jobs that have ended, in a cluster: what one node redrives, deletes or sweeps is so at every other, and stays so
// when the primary is killed.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

class ended_jobs {
  public:
    ended_jobs() {
        apply("kind: JobType\nmetadata: {name: fails}\nspec: {executor: exec, argv: ['false'], attempts_max: 1}\n");
    }

    void apply(const std::string& documents) const {
        const auto applied = c.run(0, {"apply", "-f", c.files().write("documents.yaml", documents)});
        BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    }
    std::string add(const std::string& type) const {
        return first_line(c.run(0, {"job", "submit", "--tenant", "acme", "--type", type, "--wait"}).out);
    }
    json run_json(std::size_t at, std::vector<std::string> line) const {
        line.insert(line.end(), {"-o", "json"});
        const outcome o = c.run(at, line);
        BOOST_REQUIRE_MESSAGE(json::accept(o.out), o.out << o.err);
        return json::parse(o.out);
    }
    bool gone(std::size_t at, const std::string& id) const {
        const outcome o = c.run(at, {"job", "get", id});
        return o.status == 1 && contains(o.err, "not_found");
    }

    cluster_under_test c;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_endings, ended_jobs, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(what_was_redriven_deleted_or_swept_is_so_at_every_node_and_after_a_takeover) {
    apply("kind: Tenant\nmetadata: {name: acme}\nspec: {types: ['*'], keep: {cancelled: 1s}}\n");
    const std::string redriven = add("fails"), deleted = add("fails");
    BOOST_TEST(c.run(1, {"job", "redrive", redriven}).status == 0);
    const std::string again = run_json(2, {"job", "get", redriven})["redriven_as"];
    BOOST_TEST(c.run(2, {"job", "delete", deleted, "--reason", "a test"}).status == 0);
    BOOST_TEST(gone(0, deleted));
    const std::string swept =
        first_line(c.run(0, {"job", "submit", "--tenant", "acme", "--type", "fails", "--delay", "1h"}).out);
    BOOST_TEST(run_json(1, {"job", "cancel", "--tenant", "acme", "--status", "scheduled"})["cancelled"] == 1);
    BOOST_TEST(eventually([&] { return gone(2, swept); }));

    BOOST_REQUIRE(c.all_in_sync(3));
    const std::size_t before = c.primary();
    c.kill(before, SIGKILL);
    const std::size_t now = c.primary(before);
    BOOST_TEST((gone(now, deleted) && gone(now, swept)));
    BOOST_TEST(c.run(now, {"job", "redrive", redriven}).out == redriven + "  redriven as " + again + "\n");
    const std::string late =
        first_line(c.run(now, {"job", "submit", "--tenant", "acme", "--type", "fails", "--delay", "1h"}).out);
    BOOST_TEST(c.run(now, {"job", "cancel", late}).status == 0);
    BOOST_TEST(eventually([&] { return gone(now, late); })); // the new primary sweeps
    c.start(before);
    BOOST_REQUIRE(c.all_in_sync(3));
    for (std::size_t at = 0; at < 3; ++at) {
        const outcome checked = c.run(at, {"check"});
        BOOST_TEST(checked.status == 0, checked.out << checked.err);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
