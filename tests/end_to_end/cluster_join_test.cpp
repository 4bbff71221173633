// A new node gets in with a token: over its own port, once, and only into the cluster that made the token.
#include <boost/test/unit_test.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cluster/identity/authority.hpp"
#include "cluster/identity/join_token.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"
#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

struct new_node {
    explicit new_node(const cluster_under_test& cluster, const std::string& name)
        : data((cluster.files() / name).string()) {}
    std::unique_ptr<process> serve(const std::string& token, const std::string& at) const {
        return std::make_unique<process>(process::options{
            .argv = {program(), "serve", "--join", token, "--at", at, "--data", data, "--listen", address,
                     "--metrics-listen", "127.0.0.1:" + std::to_string(testing::free_port()), "--peer-listen",
                     "127.0.0.1:" + std::to_string(testing::free_port())}});
    }
    // It does not serve: its end, and what it said.
    void require_refused(const std::string& token, const std::string& at, const std::string& word) const {
        const auto ran = serve(token, at);
        BOOST_TEST_CONTEXT(word) {
            BOOST_TEST(ran->wait() > 0);
            BOOST_TEST(contains(ran->err(), word), ran->err());
            BOOST_TEST(!std::filesystem::exists(data + "/node.yaml"));
        }
    }
    std::string data;
    std::string address = "127.0.0.1:" + std::to_string(testing::free_port());
};

std::string new_token(const cluster_under_test& cluster) {
    outcome made;
    BOOST_REQUIRE(eventually([&] { // the join port is announced a moment after the start
        made = cluster.run(0, {"cluster", "token"});
        return made.status == 0;
    }));
    return first_line(made.out);
}

job_id submitted_at(const cluster_under_test& cluster, const std::string& address) {
    client::options there = cluster.client_of(0);
    there.server = address;
    client::blocking_client client{there};
    const auto submitted = client.submit(client::job_spec{.tenant = "acme", .type = "parked", .payload = "{}"});
    if (!submitted) BOOST_FAIL(to_string(submitted.error()));
    return submitted->id;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_join, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(a_token_lets_one_node_in_which_then_holds_and_serves) {
    cluster_under_test cluster{2, 1};
    const std::string token = new_token(cluster);
    const new_node third{cluster, "joined"};
    auto running = third.serve(token, cluster.join_address());
    const auto row = [&]() -> nlohmann::json {
        std::istringstream lines{cluster.run(0, {"node", "list", "-o", "json"}).out};
        for (std::string line; std::getline(lines, line);)
            if (auto each = nlohmann::json::parse(line); each["node"] == 3U) return each;
        return {};
    };
    if (!eventually([&] { return row().is_object() && row()["in_sync"] == 1U; })) BOOST_FAIL(running->err());
    BOOST_TEST(row()["state"] == "active");
    BOOST_TEST(row()["rpc"] == third.address);

    require_all_there(cluster, {submitted_at(cluster, third.address)});

    // Started again in the same way it serves as what it is: no second token is asked for.
    running->kill(SIGKILL);
    running = third.serve(token, cluster.join_address());
    BOOST_REQUIRE(eventually([&] { return contains(running->out(), "serving on " + third.address); }));

    const new_node fourth{cluster, "late"};
    fourth.require_refused(token, cluster.join_address(), "used already, by node-3");
    // The number goes on for who comes by hand, too.
    process added{{.argv = {program(), "cluster", "add", "--from", (cluster.files() / "n0").string(), "--data",
                            (cluster.files() / "by-hand").string(), "-o", "json"}}};
    BOOST_REQUIRE(added.wait() == 0);
    BOOST_TEST(contains(added.out(), "\"node\":4"), added.out());
}

BOOST_AUTO_TEST_CASE(a_token_is_shown_to_nobody_but_the_cluster_that_made_it) {
    cluster_under_test cluster{2, 1};
    const std::string token = new_token(cluster);
    const new_node node{cluster, "joined"};
    const instant now = wall_clock_now();
    const auto other = make_authority("grove", now);
    BOOST_REQUIRE(other.has_value());
    const auto foreign = make_join_token("grove", other->identity().fingerprint, now);
    BOOST_REQUIRE(foreign.has_value());
    node.require_refused(to_string(*foreign), cluster.join_address(), "the token was not shown");
    node.require_refused(token, cluster.address(0), "does not answer as a node that lets others in");
    node.require_refused(token, "127.0.0.1:" + std::to_string(testing::free_port()), "cannot be reached");
    node.require_refused(token.substr(0, token.size() - 9), cluster.join_address(), "cut off");
    // None of which has spent it.
    const auto joined = node.serve(token, cluster.join_address());
    BOOST_TEST(eventually([&] { return std::filesystem::exists(node.data + "/node.yaml"); }), joined->err());
}

BOOST_AUTO_TEST_CASE(strangers_at_the_join_port_are_hung_up_on_and_the_rest_goes_on) {
    cluster_under_test cluster{2, 1};
    const std::string token = new_token(cluster);
    {
        std::deque<raw_connection> silent; // they hold every conversation that there may be
        for (std::size_t i = 0; i < limits::join_conversations_max; ++i)
            silent.emplace_back(cluster.join_address());
        const raw_connection more{cluster.join_address()};
        BOOST_TEST(more.is_hung_up());
    }
    const raw_connection garbage{cluster.join_address()};
    garbage.send(std::string(100000, 'x'));
    BOOST_TEST(garbage.is_hung_up());
    const new_node node{cluster, "joined"};
    const auto joined = node.serve(token, cluster.join_address());
    BOOST_TEST(eventually([&] { return std::filesystem::exists(node.data + "/node.yaml"); }), joined->err());
}

BOOST_AUTO_TEST_CASE(what_a_node_alone_has_declared_becomes_the_clusters) {
    const scratch_directory files;
    testing::etcd_process etcd;
    const std::string config = (files / "n1" / "node.yaml").string();
    nlohmann::json before;
    {
        node alone{{.data = files / "alone"}};
        const std::string more =
            files.write("more.yaml", "kind: Tenant\nmetadata: {name: acme}\nspec: {types: [exec]}\n");
        BOOST_REQUIRE(alone.run({"apply", "-f", more}).status == 0);
        before = nlohmann::json::parse(alone.run({"get", "tenant", "acme", "-o", "json"}).out);
        process made{
            {.argv = {program(), "cluster", "init", "--name", "grove", "--shards", "1", "--data",
                      (files / "n1").string(), "--port", std::to_string(testing::free_port()), "--metrics-port",
                      std::to_string(testing::free_port()), "--peer-port", std::to_string(testing::free_port()),
                      "--join-port", "0", "--etcd", etcd.endpoint()}}};
        BOOST_REQUIRE(made.wait() == 0);
        process refused{
            {.argv = {program(), "cluster", "migrate", "--from", (files / "alone").string(), "--config", config}}};
        BOOST_TEST(refused.wait() == 1);
        BOOST_TEST(contains(refused.err(), "data_directory_locked"), refused.err());
        alone.stop();
    }
    process moved{
        {.argv = {program(), "cluster", "migrate", "--from", (files / "alone").string(), "--config", config}}};
    BOOST_TEST_CONTEXT(moved.err()) BOOST_REQUIRE(moved.wait() == 0);
    process serving{{.argv = {program(), "serve", "--config", config, "--dev"}}};
    const std::string token = (files / "n1" / "operator.token").string();
    BOOST_REQUIRE(eventually([&] { return contains(serving.out(), "metrics on"); }));
    const std::string address = first_line(serving.out()).substr(std::string{"coppice: serving on "}.size());
    const auto get = [&] {
        process asked{{.argv = {program(), "get", "tenant", "acme", "-o", "json"},
                       .env = {{"COPPICE_SERVER", address}, {"COPPICE_TOKEN_FILE", token}}}};
        return asked.wait() == 0 ? nlohmann::json::parse(asked.out()) : nlohmann::json{};
    };
    BOOST_REQUIRE(eventually([&] { return get().is_object(); }));
    BOOST_TEST(get() == before); // its version and who declared it, too
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
