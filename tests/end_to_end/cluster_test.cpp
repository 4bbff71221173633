// Three nodes and an etcd, as processes: what was acknowledged survives whatever becomes of one of them, and
// somebody goes on. COPPICE_CLUSTER_ROUNDS makes the kills more.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

std::size_t rounds() {
    const char* given = std::getenv("COPPICE_CLUSTER_ROUNDS");
    return given == nullptr ? 2 : std::strtoul(given, nullptr, 10);
}

std::size_t other_than(std::size_t victim) { return victim == 0 ? 1 : 0; }

void say(const std::string& what) { BOOST_TEST_MESSAGE(what); }

} // namespace

// An etcd and three nodes that a sanitizer slows down tenfold do not keep the leases' times on two processors.
BOOST_AUTO_TEST_SUITE(cluster, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(any_node_takes_any_request) {
    cluster_under_test c;
    for (std::size_t i = 0; i < c.size(); ++i) {
        const auto ran = c.run(i, {"job", "submit", "--tenant", "acme", "--type", "echo", "--payload",
                                   "\"node " + std::to_string(i) + "\"", "--wait"});
        BOOST_REQUIRE_MESSAGE(ran.status == 0, ran.err);
        const std::string id = ran.out.substr(0, ran.out.find('\n'));
        for (std::size_t k = 0; k < c.size(); ++k)
            BOOST_TEST(c.run(k, {"job", "result", id}).out == "\"node " + std::to_string(i) + "\"");
    }
}

BOOST_AUTO_TEST_CASE(a_primary_that_is_killed_is_followed_and_nothing_acknowledged_is_lost) {
    cluster_under_test c;
    std::vector<job_id> acknowledged;
    for (std::size_t round = 0; round < rounds(); ++round) {
        require_all_in_sync(c, 3);
        const std::size_t victim = c.primary();
        steady_client client{c, other_than(victim)};
        require_more(c, client, 50);
        c.kill(victim, SIGKILL);
        require_more(c, client, 50);
        client.stop();
        say("a primary killed: gap " + std::to_string(client.longest_gap().count()) + " ms");
        for (const failure& f : client.refused()) BOOST_ERROR("refused: " << to_string(f));
        for (const job_id& id : client.acknowledged()) acknowledged.push_back(id);
        c.start(victim);
    }
    require_all_in_sync(c, 3);
    require_all_there(c, acknowledged);
}

BOOST_AUTO_TEST_CASE(a_secondary_that_is_killed_is_left_behind_and_comes_back) {
    cluster_under_test c;
    std::vector<job_id> acknowledged;
    for (std::size_t round = 0; round < rounds(); ++round) {
        require_all_in_sync(c, 3);
        const std::size_t primary = c.primary(), victim = (primary + 1) % 3;
        steady_client client{c, primary};
        require_more(c, client, 50);
        c.kill(victim, SIGKILL);
        require_more(c, client, 50);
        client.stop();
        say("a secondary killed: gap " + std::to_string(client.longest_gap().count()) + " ms");
        for (const failure& f : client.refused()) BOOST_ERROR("refused: " << to_string(f));
        for (const job_id& id : client.acknowledged()) acknowledged.push_back(id);
        c.start(victim);
    }
    require_all_in_sync(c, 3);
    require_all_there(c, acknowledged);
}

BOOST_AUTO_TEST_CASE(a_frozen_primary_is_followed_and_steps_down_when_it_wakes) {
    cluster_under_test c{3, 1}; // one shard: nothing moves for the sake of evenness
    const std::size_t frozen = c.primary();
    steady_client client{c, other_than(frozen)};
    require_more(c, client, 20);
    c.signal(frozen, SIGSTOP);
    const std::size_t next = c.primary(frozen);
    require_more(c, client, 20);
    c.signal(frozen, SIGCONT);
    // It says what the new primary knows, or nothing.
    const auto newest = client.acknowledged().back();
    BOOST_TEST(c.run(frozen, {"job", "get", to_string(newest)}).status == 0);
    BOOST_TEST(eventually([&] { return c.metric(frozen, "coppice_replica_serving", 0) == 0.0; }));
    BOOST_TEST(c.primary() == next);
    require_all_in_sync(c, 3);
    client.stop();
    require_all_there(c, client.acknowledged());
}

BOOST_AUTO_TEST_CASE(a_rolling_restart_under_load_fails_no_request) {
    cluster_under_test c;
    std::vector<job_id> acknowledged;
    for (std::size_t i = 0; i < c.size(); ++i) {
        require_all_in_sync(c, 3);
        steady_client client{c.client_of_all(i)}; // its own node is the first to stop
        require_more(c, client, 50);
        BOOST_TEST(c.kill(i, SIGTERM) == 0);
        require_more(c, client, 50);
        c.start(i);
        require_all_in_sync(c, 3);
        require_more(c, client, 50);
        client.stop();
        say("restarted node " + std::to_string(i) + ": gap " + std::to_string(client.longest_gap().count()) +
            " ms");
        for (const failure& f : client.refused()) BOOST_ERROR("refused: " << to_string(f));
        for (const job_id& id : client.acknowledged()) acknowledged.push_back(id);
    }
    require_all_there(c, acknowledged);
}

BOOST_AUTO_TEST_CASE(all_nodes_killed_and_restarted_go_on_with_everything) {
    cluster_under_test c;
    steady_client client{c, 0};
    require_more(c, client, 100);
    for (std::size_t i = 0; i < c.size(); ++i) c.signal(i, SIGKILL);
    for (std::size_t i = 0; i < c.size(); ++i) c.kill(i, SIGKILL);
    for (std::size_t i = 0; i < c.size(); ++i) c.start(i);
    require_more(c, client, 50);
    client.stop();
    require_all_in_sync(c, 3);
    require_all_there(c, client.acknowledged());
}

BOOST_AUTO_TEST_CASE(while_etcd_is_away_everything_runs_but_changes_of_the_set) {
    cluster_under_test c;
    steady_client client{c, 0};
    require_more(c, client, 50);
    c.etcd().kill();
    require_more(c, client, 500);
    client.stop();
    BOOST_TEST(client.refused().empty());
    c.etcd().start();
    const std::size_t victim = c.primary();
    c.kill(victim, SIGKILL);
    BOOST_TEST(c.primary(victim) != victim);
    require_all_there(c, client.acknowledged());
}

// Work that comes meanwhile waits for the second replica; nobody is sent away.
BOOST_AUTO_TEST_CASE(a_primary_that_is_alone_for_a_while_holds_new_work_back) {
    cluster_under_test c;
    require_all_in_sync(c, 3);
    const std::size_t primary = c.primary();
    steady_client client{c, primary};
    require_more(c, client, 20);
    for (std::size_t i = 0; i < c.size(); ++i)
        if (i != primary) c.kill(i, SIGKILL);
    BOOST_REQUIRE(
        eventually([&] { return c.metric(primary, "coppice_replica_in_sync", c.shard_of_acme()) == 1.0; }));
    for (std::size_t i = 0; i < c.size(); ++i)
        if (i != primary) c.start(i);
    require_more(c, client, 20);
    client.stop();
    for (const failure& f : client.refused()) BOOST_ERROR("refused: " << to_string(f));
}

BOOST_AUTO_TEST_CASE(a_node_that_is_left_alone_says_so_and_still_reads_what_it_has) {
    cluster_under_test c{3, 1};
    const auto ran =
        c.run(0, {"job", "submit", "--tenant", "acme", "--type", "echo", "--payload", "\"x\"", "--wait"});
    BOOST_REQUIRE_MESSAGE(ran.status == 0, ran.err);
    const std::string id = ran.out.substr(0, ran.out.find('\n'));
    const std::size_t last = (c.primary() + 1) % 3;
    BOOST_TEST(c.ready(last) == 200);
    // What was acknowledged has come to this node's tables.
    BOOST_REQUIRE(eventually([&] { return c.run(last, {"job", "result", id, "--stale-ok"}).status == 0; }));
    for (std::size_t i = 0; i < c.size(); ++i)
        if (i != last) c.kill(i, SIGKILL);
    BOOST_TEST(eventually([&] { return c.ready(last) == 503; }));
    for (const std::vector<std::string>& read : {std::vector<std::string>{"job", "get", id},
                                                 {"job", "list"},
                                                 {"job", "result", id},
                                                 {"job", "logs", id}}) {
        auto stale = read;
        stale.emplace_back("--stale-ok");
        const auto got = c.run(last, stale);
        BOOST_TEST(got.status == 0, read[1] << ": " << got.err);
    }
}

BOOST_AUTO_TEST_CASE(a_worker_at_any_node_works_on_through_a_change_of_the_primary) {
    cluster_under_test c;
    const std::size_t primary = c.primary(), at = (primary + 1) % 3;
    const auto worker = c.begin(at, {"worker", "--types", "worked", "--slots", "2", "--", "/bin/cat"});
    std::vector<std::string> ids;
    const auto submit = [&](int n) {
        const auto ran =
            c.run(at, {"job", "submit", "--tenant", "acme", "--type", "worked", "--payload", std::to_string(n)});
        BOOST_REQUIRE_MESSAGE(ran.status == 0, ran.err);
        ids.push_back(ran.out.substr(0, ran.out.find('\n')));
    };
    for (int n = 0; n < 5; ++n) submit(n);
    c.kill(primary, SIGKILL);
    for (int n = 5; n < 10; ++n) submit(n);
    for (const std::string& id : ids)
        BOOST_TEST(eventually([&] {
            const auto got = c.run(at, {"job", "get", id, "-o", "json"});
            return got.status == 0 && nlohmann::json::parse(got.out)["status"] == "succeeded";
        }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
