// A node whose store lost rows: its own audit tells, `coppice doctor` says what, and repairs what it is told to.
#include <array>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "actors/jobs/job_keys.hpp"
#include "persistence/lmdb_store.hpp"
#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

const std::string paused_type = "kind: JobType\nmetadata: {name: held}\nspec:\n  executor: exec\n"
                                "  argv: [\"true\"]\n  paused: true\n";

void erase_first(const std::filesystem::path& data, table of, const row_key& prefix) {
    auto opened = open_lmdb_store({data / "data.mdb", std::size_t{1} << 30, std::array{of}, 1, {}});
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
    const auto t = (*opened)->begin_write();
    const auto r = t->seek(of, prefix);
    BOOST_REQUIRE((r && has_prefix(r->key, prefix)));
    const bytes key{r->key.begin(), r->key.end()};
    t->erase(of, key);
    BOOST_REQUIRE(t->commit().has_value());
}

// A node with two jobs in the queue of a type that is paused.
struct doctor_fixture {
    explicit doctor_fixture(node_options options = {}) : n(std::move(options)) {
        declare(n, paused_type);
        for (std::string& id : ids)
            id = first_line(n.run({"job", "submit", "--tenant", "default", "--type", "held"}).out);
    }
    // The node stands meanwhile.
    void lose_first_of(table from) {
        BOOST_REQUIRE(n.stop() == 0);
        erase_first(n.data(), from, keys::shard(shard_id{}));
        n.start_again();
    }
    json doctor(std::vector<std::string> more, int status) const {
        more.insert(more.begin(), "doctor");
        more.insert(more.end(), {"-o", "json"});
        const outcome o = n.run(more);
        BOOST_TEST(o.status == status, o.out << o.err);
        return json::accept(o.out) ? json::parse(o.out) : json{};
    }

    node n;
    std::array<std::string, 2> ids;
};

} // namespace

BOOST_AUTO_TEST_SUITE(doctor_suite)

BOOST_AUTO_TEST_CASE(a_job_that_was_lost_from_the_queue_is_found_and_put_back) {
    doctor_fixture f;
    BOOST_TEST(f.doctor({}, 0)["repairable"] == 0);
    f.lose_first_of(table::queue);
    const json found = f.doctor({}, 1);
    BOOST_TEST(found["findings"].size() == 1U);
    BOOST_TEST(contains(found["findings"][0].get<std::string>(), f.ids[0]));
    BOOST_TEST(found["repairable"] == 1);

    // What it was not told to repair stays.
    BOOST_TEST(f.doctor({"--repair", "counters"}, 1)["repairs"].empty());
    BOOST_TEST(f.doctor({"--repair", f.ids[1]}, 1)["repairs"].empty());
    const json repaired = f.doctor({"--repair", f.ids[0], "--reason", "lost a row"}, 0);
    BOOST_TEST(repaired["repairs"].size() == 1U);
    BOOST_TEST(repaired["remaining"].empty());
    BOOST_TEST(f.doctor({}, 0)["findings"].empty());

    declare(f.n, paused_type.substr(0, paused_type.find("  paused")));
    for (const std::string& id : f.ids) BOOST_TEST(reaches(f.n, id, "succeeded"));
}

BOOST_AUTO_TEST_CASE(counters_are_put_right_by_name) {
    doctor_fixture f;
    f.lose_first_of(table::counters);
    BOOST_TEST(contains(f.doctor({}, 1)["findings"][0].get<std::string>(), "counters"));
    const json repaired = f.doctor({"--repair", "all"}, 0);
    BOOST_REQUIRE(repaired["repairs"].size() == 1U);
    BOOST_TEST(contains(repaired["repairs"][0].get<std::string>(), "counters of tenant default: repaired"));
    BOOST_TEST(contains(f.n.run({"doctor", "--repair", "all"}).out, "nothing of that was found"));
}

BOOST_AUTO_TEST_CASE(the_nodes_own_audit_tells_of_what_is_wrong) {
    scratch_directory files;
    const std::string config = (files / "node.yaml").string();
    std::ofstream(config) << "audit: {every: 100ms}\n";
    doctor_fixture f({.flags = {"--config", config}});
    const auto metric = [&](const std::string& line) {
        return [&f, line] { return contains(f.n.run({"metrics"}).out, line + "\n"); };
    };
    f.lose_first_of(table::queue);
    BOOST_TEST(eventually(metric("operations_store_audit_findings 1")));
    BOOST_TEST(contains(f.n.log(), "not in the queue at its rank"));
    BOOST_TEST(f.doctor({}, 1)["audit"]["findings"] == 1);
    f.doctor({"--repair", "all"}, 0);
    BOOST_TEST(eventually(metric("operations_store_audit_findings 0")));
    BOOST_TEST(f.n.stop() == 0);
}

// Of three nodes one has lost a row. Its repair is a command, of which the others have nothing to do; so that what
// its tables are differs from theirs, and it is given theirs.
BOOST_AUTO_TEST_CASE(a_replica_that_lost_rows_comes_to_what_the_others_have,
                     *boost::unit_test::enable_if<!sanitized>()) {
    cluster_under_test c{3};
    for (int i = 0; i < 3; ++i)
        BOOST_REQUIRE(c.run(0, {"job", "submit", "--tenant", "acme", "--type", "parked"}).status == 0);
    require_all_in_sync(c, 3);
    const std::size_t primary = c.primary(), damaged = (primary + 1) % 3;
    c.kill(damaged, SIGTERM);
    erase_first(c.files() / ("n" + std::to_string(damaged)), table::queue,
                keys::shard(shard_id{c.shard_of_acme()}));
    c.start(damaged);
    require_all_in_sync(c, 3);
    BOOST_TEST(c.run(damaged, {"doctor"}).status == 1);
    BOOST_TEST(c.run(primary, {"doctor"}).status == 0);
    const outcome all = c.run(primary, {"doctor", "--all"});
    BOOST_TEST(all.status == 1);
    BOOST_TEST(contains(all.out, "not in the queue at its rank"), all.out << all.err);

    c.run(damaged, {"doctor", "--repair", "all"});
    const bool is_well = eventually([&] { return c.all_in_sync(3) && c.run(damaged, {"doctor"}).status == 0; });
    BOOST_TEST(is_well, c.account());
    BOOST_TEST(c.run(primary, {"doctor", "--all"}).status == 0);
}

BOOST_AUTO_TEST_CASE(what_is_no_job_is_not_repaired) {
    const node n;
    BOOST_TEST(n.run({"doctor", "--repair", "nonsense"}).status == 2);
    BOOST_TEST(n.run_as({{"COPPICE_SERVER", n.address()}}, {"doctor", "--repair", "all"}).status == 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
