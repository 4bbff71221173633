// The life of a node: what it keeps over restarts, what it reads again, what it says of itself.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/socket.h>

#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

// The whole answer of an HTTP port to one request.
std::string http_get(const std::string& address, const std::string& path) {
    const raw_connection connection{address};
    connection.send("GET " + path + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    std::string answer;
    char buffer[4096];
    for (ssize_t size = 0; (size = ::recv(connection.fd(), buffer, sizeof buffer, 0)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(size));
    return answer;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_life)

BOOST_AUTO_TEST_CASE(what_was_applied_to_the_development_things_stays_over_a_restart) {
    node n;
    declare(n, "kind: Tenant\nmetadata: {name: default}\nspec: {weight: 7, types: [exec]}\n");
    n.kill(SIGKILL);
    n.start_again();
    // Documents are taken in order: once this one is in, whatever the start declared is.
    const outcome later = n.run({"apply", "-f", "-"}, "kind: Tenant\nmetadata: {name: later}\nspec: {}\n");
    BOOST_TEST_CONTEXT(later.err) BOOST_REQUIRE_EQUAL(later.status, 0);
    const auto shown = nlohmann::json::parse(n.run({"get", "tenant", "default", "-o", "json"}).out);
    BOOST_TEST(shown["spec"]["weight"] == 7);
    BOOST_TEST(shown["version"] == 2);
}

BOOST_AUTO_TEST_CASE(keys_that_are_added_and_removed_count_after_a_hangup_signal) {
    const node n;
    const node second; // whose key this node does not know
    const std::string key = "node.jwk";
    const outcome issued =
        n.run({"token", "issue", "--role", "sre", "--key", (second.data() / "keys" / key).string()});
    BOOST_TEST_CONTEXT(issued.err) BOOST_REQUIRE_EQUAL(issued.status, 0);
    const auto lists = [&](const std::string& token) {
        return n.run_as(with_token(n, token), {"job", "list"}).status == 0;
    };
    const std::string of_second = first_line(issued.out), own = operator_token(n);
    BOOST_TEST(!lists(of_second));
    // Both keys have the id "node", so the new one takes the place of the old one.
    std::filesystem::copy_file(second.data() / "keys" / key, n.data() / "keys" / key,
                               std::filesystem::copy_options::overwrite_existing);
    n.signal(SIGHUP);
    BOOST_TEST(eventually([&] { return lists(of_second); }));
    BOOST_TEST(!lists(own));
    std::ofstream{n.data() / "keys" / key} << "damaged";
    n.signal(SIGHUP);
    BOOST_TEST(eventually([&] { return contains(n.log(), "the keys were not reloaded"); }));
    BOOST_TEST(lists(of_second));
}

BOOST_AUTO_TEST_CASE(the_example_worker_runs_what_the_example_client_submits) {
    const node n;
    const outcome applied =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: echo}\nspec: {executor: worker}\n");
    BOOST_TEST_CONTEXT(applied.err) BOOST_REQUIRE_EQUAL(applied.status, 0);
    const std::filesystem::path examples = std::filesystem::path{program()}.parent_path();
    process worker({.argv = {examples / "example_worker"}, .env = with_token(n, token_for(n, "worker"))});
    process client(
        {.argv = {examples / "example_client"}, .env = with_token(n, token_for(n, "service", "default"))});
    BOOST_TEST_CONTEXT(client.err() << worker.err()) BOOST_TEST(client.wait() == 0);
    std::istringstream printed{client.out()};
    std::string id, result;
    for (int i = 0; i < 10; ++i) {
        BOOST_REQUIRE(printed >> id >> result);
        BOOST_TEST(result == std::to_string(i));
    }
    BOOST_TEST(worker.kill(SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(probes_are_answered_and_connections_counted) {
    const node n;
    BOOST_TEST(contains(http_get(n.metrics_address(), "/readyz"), "200 OK"));
    BOOST_TEST(contains(http_get(n.metrics_address(), "/livez"), "200 OK"));
    BOOST_TEST(contains(http_get(n.metrics_address(), "/metrics"), "operations_rpc_connections 0"));
    const raw_connection open{n.address()};
    BOOST_TEST(eventually(
        [&] { return contains(http_get(n.metrics_address(), "/metrics"), "operations_rpc_connections 1"); }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
