// What an operator does to a running cluster: look at it, take a node off its work and back, take one out for good,
// have another lead.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/end_to_end/cluster_processes.hpp"

namespace coppice::end_to_end {
namespace {

unsigned another_than(unsigned one) { return one == 3 ? 1 : one + 1; }
unsigned third_of(unsigned one, unsigned two) { return 6 - one - two; }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void require_done(const outcome& done) { BOOST_TEST_CONTEXT(done.err) BOOST_REQUIRE_EQUAL(done.status, 0); }

// Jobs, one a call, all the time while the cluster is operated on; a call that meets a change of the primary waits.
class steady_submits {
  public:
    explicit steady_submits(const cluster_processes& cluster)
        : process_({.argv = {program(), "job", "submit", "-f", "-"},
                    .env = cluster.client_env(cluster.addresses()),
                    .open_stdin = true}) {}
    void one() {
        process_.write(R"({"tenant":"default","type":"exec","payload":{"argv":["true"]},"key":"s)" +
                       std::to_string(++sent_) + "\"}\n");
    }
    // All that were sent have been taken.
    bool settled() {
        const std::string out = process_.out();
        return std::count(out.begin(), out.end(), '\n') == sent_;
    }
    std::string err() const { return process_.err(); }

  private:
    process process_;
    std::ptrdiff_t sent_ = 0;
};

} // namespace

// An etcd and three nodes that a sanitizer slows down tenfold do not keep the leases' times on two processors.
BOOST_AUTO_TEST_SUITE(cluster_operations, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(the_nodes_of_a_cluster_are_listed_as_the_one_that_is_asked_sees_them) {
    const cluster_processes cluster;
    BOOST_REQUIRE(eventually(
        [&] { return cluster.node_row(2, 1)["linked"] == true && cluster.node_row(2, 3)["linked"] == true; }));
    const auto nodes = cluster.lines_at(cluster.address(2), {"node", "list"});
    BOOST_REQUIRE(nodes.size() == 3U);
    unsigned leads = 0;
    for (const auto& n : nodes) {
        BOOST_TEST(n["state"] == "active");
        BOOST_TEST(n["in_sync"] == 1U);
        BOOST_TEST(n["asked"] == (n["node"] == 2U));
        BOOST_TEST(n["zone"] == "zone-" + std::to_string(n["node"].get<unsigned>()));
        BOOST_TEST(n["rpc"] == cluster.address(n["node"].get<unsigned>()));
        BOOST_TEST(n["seen_ms"].is_number());
        leads += n["leads"].get<unsigned>();
    }
    BOOST_TEST(leads == 1U);
    const outcome text = cluster.run({"node", "list"});
    BOOST_TEST(contains(text.out, "active (asked)"));

    const outcome unknown = cluster.run({"node", "drain", "9"});
    BOOST_TEST(unknown.status == 1);
    BOOST_TEST(contains(unknown.err, "not_found"));
}

BOOST_AUTO_TEST_CASE(a_drained_primary_gives_up_what_it_leads_while_jobs_go_on_and_leads_again_after_a_resume) {
    const cluster_processes cluster;
    const unsigned first = cluster.primary();
    steady_submits jobs(cluster);
    jobs.one();
    require_done(cluster.run({"node", "drain", std::to_string(first)}));
    BOOST_REQUIRE(eventually([&] {
        jobs.one();
        const unsigned now = cluster.primary(another_than(first));
        return now != 0 && now != first;
    }));
    if (!eventually([&] { return jobs.settled(); })) BOOST_FAIL(jobs.err());
    cluster.run_a_job();
    BOOST_TEST(cluster.node_row(another_than(first), first)["state"] == "draining");

    const outcome led = cluster.run({"shard", "move", "0", std::to_string(first)});
    BOOST_TEST(led.status == 1);
    BOOST_TEST(contains(led.err, "is draining"));

    require_done(cluster.run({"node", "resume", std::to_string(first)}));
    BOOST_REQUIRE(eventually([&] { return cluster.node_row(first, first)["in_sync"] == 1U; }));
    require_done(cluster.run({"shard", "move", "0", std::to_string(first)}));
    BOOST_TEST(cluster.primary(first) == first);
    cluster.run_a_job();
}

BOOST_AUTO_TEST_CASE(a_shard_is_moved_to_a_node_in_sync_whichever_node_is_asked) {
    const cluster_processes cluster;
    const unsigned first = cluster.primary(), second = another_than(first), third = third_of(first, second);
    require_done(cluster.run_at(cluster.address(third), {"shard", "move", "0", std::to_string(second)}));
    BOOST_TEST(eventually([&] { return cluster.primary(third) == second; }));
    BOOST_TEST(eventually([&] { return cluster.shard_row(second)["lease_valid"] == true; }));
    cluster.run_a_job();
    // It is there already.
    require_done(cluster.run_at(cluster.address(first), {"shard", "move", "0", std::to_string(second)}));
    const outcome nowhere = cluster.run({"shard", "move", "0", "9"});
    BOOST_TEST(nowhere.status == 1);
    BOOST_TEST(contains(nowhere.err, "no member"));
    BOOST_TEST(cluster.run({"shard", "move", "5", "1"}).status == 1);
}

BOOST_AUTO_TEST_CASE(a_removed_node_stops_gets_no_link_and_does_not_come_back) {
    const cluster_processes cluster;
    const unsigned gone = cluster.primary(), left = another_than(gone), other = third_of(gone, left);
    require_done(cluster.run_at(cluster.address(left), {"node", "remove", std::to_string(gone)}));
    BOOST_TEST(cluster.node(gone).wait() == 1);
    BOOST_TEST(contains(cluster.node(gone).err(), "was removed from the cluster"));
    BOOST_TEST(eventually([&] {
        const unsigned now = cluster.primary(left);
        return now == left || now == other;
    }));
    cluster.run_a_job();
    for (const unsigned asked : {left, other}) {
        const auto row = cluster.node_row(asked, gone);
        BOOST_TEST(row["state"] == "removed");
        BOOST_TEST(row["linked"] == false);
    }
    BOOST_TEST(cluster.lines_at(cluster.address(left), {"node", "list"}).size() == 2U);
    BOOST_TEST(eventually([&] { return cluster.shard_row(left)["replicas"].size() == 2U; }));

    process again({.argv = {program(), "serve", "--config", cluster.config_of(gone)}});
    BOOST_TEST(again.wait() == 1);
    BOOST_TEST(cluster.node_row(left, gone)["linked"] == false);
    const outcome resumed = cluster.run_at(cluster.address(left), {"node", "resume", std::to_string(gone)});
    BOOST_TEST(contains(resumed.err, "illegal_transition"));
    cluster.run_a_job();
}

BOOST_AUTO_TEST_CASE(a_worker_that_knows_all_nodes_goes_on_when_its_own_is_killed) {
    const cluster_processes cluster;
    const scratch_directory files;
    const std::string noop =
        files.write("noop.yaml", "kind: JobType\nmetadata: {name: noop}\nspec: {executor: worker}\n");
    require_done(cluster.run({"apply", "-f", noop}));
    const outcome token = cluster.run({"token", "issue", "--role", "worker", "--data", cluster.data_of(1)});
    require_done(token);
    const process worker({.argv = {program(), "worker", "--types", "noop", "--", "/bin/true"},
                          .env = {{"COPPICE_SERVER", cluster.addresses()},
                                  {"COPPICE_TOKEN_FILE", files.write("token", token.out)}}});
    const auto is_at = [&](unsigned node) {
        const outcome tree = cluster.run_at(cluster.address(node), {"tree", "node/workers"});
        return contains(tree.out, "session");
    };
    unsigned home = 0;
    BOOST_REQUIRE(eventually([&] {
        for (unsigned node = 1; node <= 3 && home == 0; ++node) home = is_at(node) ? node : 0;
        return home != 0;
    }));
    cluster.run_a_job("noop");
    cluster.node(home).kill(SIGKILL);
    BOOST_TEST(eventually([&] { return is_at(another_than(home)) || is_at(third_of(home, another_than(home))); }));
    cluster.run_a_job("noop");
}

BOOST_AUTO_TEST_CASE(the_actors_of_all_nodes_are_seen_and_a_silent_node_is_named) {
    const cluster_processes cluster;
    const outcome all = cluster.run({"tree", "--all", "-o", "json"});
    require_done(all);
    for (const char* root : {"node-1", "node-2", "node-3"}) {
        BOOST_TEST(contains(all.out, std::string{"\"path\":\""} + root + "\""), all.out.substr(0, 400));
        BOOST_TEST(contains(all.out, std::string{root} + "/journal"));
    }
    const outcome part = cluster.run({"tree", "node/journal", "--all"});
    require_done(part);
    BOOST_TEST(contains(part.out, "node-3/journal"), part.out);
    BOOST_TEST(cluster.run({"tree", "node/nothing", "--all"}).status == 1);
    cluster.node(2).kill(SIGKILL);
    const outcome rest = cluster.run({"tree", "--all"});
    BOOST_TEST(rest.status == 1);
    BOOST_TEST(contains(rest.err, "node-2 at " + cluster.address(2)), rest.err);
    BOOST_TEST(contains(rest.out, "node-3"));
}

BOOST_AUTO_TEST_CASE(a_node_alone_says_that_it_is_not_part_of_a_cluster) {
    const node alone;
    for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
             {"node", "list"}, {"shard", "list"}, {"node", "drain", "1"}, {"shard", "move", "0", "1"}}) {
        const outcome refused = alone.run(line);
        BOOST_TEST(refused.status == 1);
        BOOST_TEST(contains(refused.err, "this node is not part of a cluster"));
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
