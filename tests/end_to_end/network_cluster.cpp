#include "tests/end_to_end/network_cluster.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

namespace coppice::end_to_end {
namespace {

constexpr unsigned hub = 254;
constexpr const char* ip = "/usr/sbin/ip";
constexpr const char* rpc_port = "7400";
constexpr const char* cluster_name = "isles";

std::string address_of(unsigned place) { return "10.77.0." + std::to_string(place); }
std::string etcd_endpoint(const char* port = "2379") {
    return "http://" + address_of(network_cluster::etcd) + ":" + port;
}

int run_ip(const std::string& words) {
    std::vector<std::string> argv{ip};
    std::istringstream split{words};
    for (std::string word; split >> word;) argv.push_back(word);
    return process({.argv = std::move(argv)}).wait();
}
void must_ip(const std::string& words) { BOOST_REQUIRE_MESSAGE(run_ip(words) == 0, "ip " << words); }

std::string known_as(const std::vector<unsigned>& nodes) {
    std::string all;
    for (const unsigned node : nodes) all += (all.empty() ? "" : ",") + address_of(node) + ":" + rpc_port;
    return all;
}

} // namespace

boost::test_tools::assertion_result may_make_networks(boost::unit_test::test_unit_id) {
    const std::string name = "coppice-try-" + std::to_string(::getpid());
    const bool made = ::access(ip, X_OK) == 0 && run_ip("netns add " + name) == 0 &&
                      run_ip("-n " + name + " link add br0 type bridge") == 0;
    if (made) run_ip("netns del " + name);
    boost::test_tools::assertion_result may{made};
    may.message() << "no network namespace could be made, which needs root and iproute2";
    return may;
}

network_cluster::network_cluster() : prefix_("coppice-" + std::to_string(::getpid()) + "-") {
    make_network();
    start_etcd();
    for (unsigned node = 1; node <= nodes; ++node) make_node(node);
    process token({.argv = {program(), "token", "issue", "--role", "platform-owner", "--data", data_of(1)}});
    BOOST_REQUIRE_EQUAL(token.wait(), 0);
    token_file_ = files_.write("token", token.out());
    for (unsigned node = 1; node <= nodes; ++node) start(node);
    require_whole();
}

network_cluster::~network_cluster() {
    for (auto& each : running_) each.reset();
    etcd_.reset();
    for (const unsigned place : {1U, 2U, 3U, etcd, hub}) run_ip("netns del " + name_of(place));
}

void network_cluster::make_network() {
    must_ip("netns add " + name_of(hub));
    const std::string at = "-n " + name_of(hub);
    must_ip(at + " link add br0 type bridge");
    must_ip(at + " addr add " + address_of(hub) + "/24 dev br0");
    must_ip(at + " link set br0 up");
    for (const unsigned place : {1U, 2U, 3U, etcd}) connect(place);
}

void network_cluster::connect(unsigned place) const {
    const std::string here = name_of(place), port = "port" + std::to_string(place);
    must_ip("netns add " + here);
    must_ip("-n " + name_of(hub) + " link add " + port + " type veth peer name eth0 netns " + here);
    must_ip("-n " + name_of(hub) + " link set " + port + " master br0 up");
    must_ip("-n " + here + " addr add " + address_of(place) + "/24 dev eth0");
    must_ip("-n " + here + " link set eth0 up");
    must_ip("-n " + here + " link set lo up");
}

void network_cluster::start_etcd() {
    const std::string peers = etcd_endpoint("2380");
    etcd_ = std::make_unique<process>(process::options{
        .argv = {ip, "netns", "exec", name_of(etcd), "/usr/bin/etcd", "--name=one",
                 "--data-dir=" + (files_ / "etcd").string(), "--listen-client-urls=" + etcd_endpoint(),
                 "--advertise-client-urls=" + etcd_endpoint(), "--listen-peer-urls=" + peers,
                 "--initial-advertise-peer-urls=" + peers, "--initial-cluster=one=" + peers}});
    const bool is_up = eventually([&] { return contains(etcd_->err(), "ready to serve client requests"); });
    BOOST_REQUIRE_MESSAGE(is_up, etcd_->err());
}

void network_cluster::make_node(unsigned node) const {
    std::vector<std::string> argv{program(), "cluster"};
    if (node == 1)
        argv.insert(argv.end(), {"init", "--name", cluster_name, "--join-port", "0"});
    else
        argv.insert(argv.end(), {"add", "--from", data_of(1)});
    argv.insert(argv.end(), {"--data", data_of(node), "--host", address_of(node), "--etcd", etcd_endpoint(),
                             "--exec-slots", "2", "--zone", "zone-" + std::to_string(node)});
    process made({.argv = std::move(argv)});
    BOOST_REQUIRE_MESSAGE(made.wait() == 0, made.err());
}

void network_cluster::start(unsigned node) {
    running_.at(node) =
        std::make_unique<process>(process::options{.argv = {ip, "netns", "exec", name_of(node), program(), "serve",
                                                            "--config", data_of(node) + "/node.yaml"}});
}

void network_cluster::kill(unsigned node) {
    running_.at(node)->kill(SIGKILL);
    earlier_logs_.at(node) += running_.at(node)->err();
    running_.at(node).reset();
}

void network_cluster::cut(unsigned from, unsigned to) {
    must_ip("-n " + name_of(from) + " route add blackhole " + address_of(to) + "/32");
    cut_.emplace_back(from, to);
}

void network_cluster::heal_all() {
    for (const auto& [from, to] : std::exchange(cut_, {}))
        must_ip("-n " + name_of(from) + " route del blackhole " + address_of(to) + "/32");
}

void network_cluster::link(unsigned node, bool up) const {
    must_ip("-n " + name_of(hub) + " link set port" + std::to_string(node) + (up ? " up" : " down"));
}

client::options network_cluster::client_of(std::vector<unsigned> known) const {
    client::options o;
    o.server = known_as(known);
    o.order = client::server_order::as_listed;
    o.token_file = token_file_;
    o.tls = {true, data_of(1) + "/cluster/trusted.pem", cluster_name};
    return o;
}

void network_cluster::among_clients() const {
    const int place = ::open(("/var/run/netns/" + name_of(hub)).c_str(), O_RDONLY | O_CLOEXEC);
    const bool moved = place >= 0 && ::setns(place, CLONE_NEWNET) == 0;
    if (place >= 0) ::close(place);
    if (!moved) throw std::runtime_error("cannot enter the clients' network namespace");
}

environment network_cluster::client_env(const std::vector<unsigned>& known) const {
    return {{"COPPICE_SERVER", known_as(known)},
            {"COPPICE_TOKEN_FILE", token_file_},
            {"COPPICE_TLS_CA", data_of(1) + "/cluster/trusted.pem"},
            {"COPPICE_TLS_NAME", cluster_name}};
}

outcome network_cluster::run(std::vector<unsigned> known, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {ip, "netns", "exec", name_of(hub), program()});
    process p({.argv = std::move(arguments), .env = client_env(known)});
    const int status = p.wait();
    return {status, p.out(), p.err()};
}

std::vector<nlohmann::json> network_cluster::shards(std::vector<unsigned> known) const {
    std::vector<nlohmann::json> rows;
    std::istringstream lines{run(std::move(known), {"shard", "list", "-o", "json"}).out};
    for (std::string line; std::getline(lines, line);)
        if (auto row = nlohmann::json::parse(line, nullptr, false); row.is_object()) rows.push_back(std::move(row));
    return rows;
}

unsigned network_cluster::primary(std::uint16_t shard, std::vector<unsigned> known) const {
    for (const auto& row : shards(std::move(known)))
        if (row["shard"] == shard && row["primary"].is_number()) return row["primary"];
    return 0;
}

void network_cluster::require_whole() const {
    const auto is_whole = [&] {
        for (unsigned node = 1; node <= nodes; ++node) {
            const auto whole = std::ranges::count_if(shards({node}), [](const nlohmann::json& row) {
                return row["in_sync"].size() == nodes && row["primary"].is_number();
            });
            if (whole < nodes) return false; // as many shards as nodes
        }
        return true;
    };
    if (!eventually(is_whole)) BOOST_FAIL("the cluster is not whole" << account());
}

std::string network_cluster::account() const {
    std::string text;
    for (unsigned node = 1; node <= nodes; ++node) {
        const auto said = runs(node) ? std::optional{run({node}, {"shard", "list"})} : std::nullopt;
        text += account_of(node, said, earlier_logs_.at(node) + (runs(node) ? running_.at(node)->err() : ""));
    }
    return text;
}

} // namespace coppice::end_to_end
