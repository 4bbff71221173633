#include "runtime/config/cluster_settings.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "runtime/config/node_config.hpp"
#include "tests/runtime/config/config_support.hpp"

namespace coppice {

using config_test::check_has;
using config_test::errors_of_node;
using config_test::why_not;

namespace {

// A section with what is required, and `more` lines (of two spaces each).
std::string section(std::string_view more = "", std::string_view etcd_more = "") {
    return "cluster:\n  name: oak\n  node: 3\n  peer_listen: 127.0.0.1:7410\n  certificate: c.pem\n  key: k.pem\n"
           "  ca: ca.pem\n  etcd:\n    endpoints: ['http://127.0.0.1:2379']\n" +
           std::string{etcd_more} + std::string{more};
}

cluster_settings smallest() {
    cluster_settings c;
    c.name = "oak";
    c.node = {3};
    c.peer_listen = {"127.0.0.1", 7410};
    c.certificate = "c.pem";
    c.key = "k.pem";
    c.ca = "ca.pem";
    c.etcd.endpoints = {"http://127.0.0.1:2379"};
    return c;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_configuration)

BOOST_AUTO_TEST_CASE(without_the_section_a_node_is_alone) {
    BOOST_TEST(!parse_node_config("", "f")->cluster.has_value());
    BOOST_TEST(errors_of_node("cluster:\n") != "");
}

BOOST_AUTO_TEST_CASE(what_is_left_out_has_its_default) {
    const auto parsed = parse_node_config(section(), "f");
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), why_not(parsed));
    BOOST_TEST((parsed->cluster == smallest()));
    BOOST_TEST((parsed->cluster->advertised_peer() == endpoint{"127.0.0.1", 7410}));
}

BOOST_AUTO_TEST_CASE(every_field_of_the_section_is_read) {
    const auto parsed = parse_node_config(
        section("  zone: north\n  advertise_peer: node-3.example:1\n  advertise_rpc: '[2001:db8::7]:2'\n"
                "  shards: 7\n  min_in_sync: 1\n  lease: 2s\n  grace: 2600ms\n  lost_after: 90s\n",
                "    prefix: /oak/\n    ca: e.pem\n    certificate: ec.pem\n    key: ek.pem\n    user: u\n"
                "    password_file: p\n"),
        "f");
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), why_not(parsed));
    cluster_settings c = smallest();
    c.zone = "north";
    c.advertise_peer = {"node-3.example", 1};
    c.advertise_rpc = {"2001:db8::7", 2};
    c.shards = 7;
    c.min_in_sync = 1;
    c.lost_after = milliseconds{90'000};
    c.lease = milliseconds{2000};
    c.grace = milliseconds{2600};
    c.etcd = {{"http://127.0.0.1:2379"}, "/oak/", "e.pem", "ec.pem", "ek.pem", "u", "p"};
    BOOST_TEST((parsed->cluster == c));
}

BOOST_AUTO_TEST_CASE(what_is_required_is_asked_for_by_name) {
    const std::string errors = errors_of_node("cluster: {zone: a}\n");
    for (const char* field : {"name", "node", "peer_listen", "certificate", "key", "ca", "etcd"})
        check_has(errors, "f:1:10: cluster." + std::string{field} + ": is required");
    check_has(errors_of_node(section("  peer_listn: 1\n")),
              "cluster.peer_listn: unknown field; did you mean \"peer_listen\"?");
    check_has(errors_of_node(section("", "    endpoint: x\n")), "cluster.etcd.endpoint: unknown field");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said_where_it_stands) {
    check_has(errors_of_node(section("  zone: North\n")), "f:10:9: cluster.zone: must be a name");
    check_has(errors_of_node(section("  min_in_sync: 8\n")),
              "cluster.min_in_sync: must be a whole number from 1 to 7");
    check_has(errors_of_node(section("  min_in_sync: 0\n")),
              "cluster.min_in_sync: must be a whole number from 1 to 7");
    check_has(errors_of_node(section("  lease: 299ms\n")), "cluster.lease: must be a duration from 300ms to 1m");
    check_has(errors_of_node(section("  lease: 2m\n")), "cluster.lease: must be a duration from 300ms to 1m");
    check_has(errors_of_node(section("  lease: 1s\n  grace: 1299ms\n")),
              "f:11:10: cluster.grace: must be at least 1.3 times");
    BOOST_TEST(errors_of_node(section("  lease: 1s\n  grace: 1300ms\n")) == "");
    check_has(errors_of_node(section("  advertise_rpc: 0.0.0.0:1\n")), "cluster.advertise_rpc: must be an address");
    check_has(errors_of_node(section("  advertise_peer: Node.example:1\n")), "lower case");
    check_has(errors_of_node(section("", "    prefix: oak\n")), "cluster.etcd.prefix: the prefix");
    check_has(errors_of_node(section("", "    prefix: 'a b/'\n")), "cluster.etcd.prefix: the prefix");
    check_has(errors_of_node(section("", "    user: u\n")), "cluster.etcd.password_file: is required");
    check_has(errors_of_node(section("", "    key: u\n")), "cluster.etcd.certificate: is required");
}

BOOST_AUTO_TEST_CASE(endpoints_of_etcd_are_addresses_and_a_password_goes_out_sealed) {
    const auto with = [](const std::string& endpoints, const std::string& more = "") {
        cluster_settings c = smallest();
        c.etcd.endpoints = {endpoints};
        c.etcd.user = more;
        c.etcd.password_file = more;
        std::vector<config_problem> problems;
        check_cluster(c, {"127.0.0.1", 7400}, problems);
        return problems.empty() ? std::string{} : problems[0].path;
    };
    BOOST_TEST(with("https://e:1", "u") == "");
    BOOST_TEST(with("http://127.0.0.1:1", "u") == "");
    BOOST_TEST(with("http://e:1") == "");
    BOOST_TEST(with("http://e:1", "u") == "cluster.etcd.user");
    for (const char* bad : {"e:1", "ftp://e:1", "http://", "http://u@e:1", "http://e:1/v3", ""})
        BOOST_TEST(with(bad) == "cluster.etcd.endpoints", bad);
}

BOOST_AUTO_TEST_CASE(others_must_be_able_to_reach_the_node) {
    const auto problems_of = [](const endpoint& peer, const endpoint& listen) {
        cluster_settings c = smallest();
        c.peer_listen = peer;
        std::vector<config_problem> problems;
        check_cluster(c, listen, problems);
        std::string paths;
        for (const auto& p : problems) paths += p.path + ' ';
        return paths;
    };
    BOOST_TEST(problems_of({"10.0.0.1", 1}, {"10.0.0.1", 2}) == "");
    BOOST_TEST(problems_of({"0.0.0.0", 1}, {"::", 2}) == "cluster.advertise_peer cluster.advertise_rpc ");
    BOOST_TEST(problems_of({"10.0.0.1", 0}, {"10.0.0.1", 0}) == "cluster.peer_listen cluster.advertise_rpc ");
    BOOST_TEST(problems_of({"10.0.0.1", 2}, {"10.0.0.1", 2}) == "cluster.peer_listen ");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
