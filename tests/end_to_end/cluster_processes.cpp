#include "tests/end_to_end/cluster_processes.hpp"

#include <boost/test/unit_test.hpp>
#include <sstream>

#include "tests/cluster/control/etcd_process.hpp"

namespace coppice::end_to_end {
namespace {

std::string free_local_port() { return std::to_string(testing::free_port()); }

std::unique_ptr<process> start_etcd(const std::filesystem::path& data, const std::string& clients) {
    const std::string peers = "http://127.0.0.1:" + free_local_port();
    auto etcd = std::make_unique<process>(
        process::options{.argv = {"/usr/bin/etcd", "--name=one", "--data-dir=" + data.string(),
                                  "--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
                                  "--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers,
                                  "--initial-cluster=one=" + peers, "--initial-cluster-token=" + peers}});
    BOOST_REQUIRE_MESSAGE(
        eventually([&] { return etcd->err().find("ready to serve client requests") != std::string::npos; }),
        "etcd did not come up: " << etcd->err());
    return etcd;
}

} // namespace

cluster_processes::cluster_processes(unsigned nodes) {
    etcd_address_ = "http://127.0.0.1:" + free_local_port();
    etcd_ = start_etcd(directory_ / "etcd", etcd_address_);
    for (unsigned node = 1; node <= nodes; ++node) make_node(node);
    for (unsigned node = 1; node <= nodes; ++node)
        nodes_.push_back(std::make_unique<process>(
            process::options{.argv = {program(), "serve", "--dev", "--config", config_of(node)}}));
    const auto is_whole = [&](unsigned asked) {
        const auto shard = shard_row(asked);
        return shard.is_object() && shard["in_sync"].size() == nodes && !shard["primary"].is_null();
    };
    for (unsigned node = 1; node <= nodes; ++node)
        if (!eventually([&] { return is_whole(node); }))
            BOOST_FAIL("node " << node << " did not get into the cluster: " << words_of_all());
    BOOST_REQUIRE(eventually([&] { return run({"get", "tenant", "default"}).status == 0; }));
}

std::string cluster_processes::words_of_all() const {
    std::string words;
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        words += "\n---- node " + std::to_string(i + 1) + (nodes_[i]->ended() ? " has ended" : "") + "\n" +
                 nodes_[i]->out() + nodes_[i]->err();
    return words;
}

// The nodes before etcd; a node that cannot hand over what it leads waits a while, so they are killed.
cluster_processes::~cluster_processes() { nodes_.clear(); }

std::filesystem::path cluster_processes::directory_of(unsigned node) const {
    return directory_ / ("n" + std::to_string(node));
}

void cluster_processes::make_node(unsigned node) {
    const std::string rpc = free_local_port();
    std::vector<std::string> argv{program(), "cluster"};
    if (node == 1)
        argv.insert(argv.end(), {"init", "--shards", "1", "--name", "oak", "--join-port", "0"});
    else
        argv.insert(argv.end(), {"add", "--from", directory_of(1).string()});
    argv.insert(argv.end(), {"--data", directory_of(node).string(), "--port", rpc, "--metrics-port",
                             free_local_port(), "--peer-port", free_local_port(), "--etcd", etcd_address_, "--zone",
                             "zone-" + std::to_string(node)});
    process made({.argv = std::move(argv)});
    BOOST_REQUIRE_MESSAGE(made.wait() == 0, made.err());
    addresses_.push_back("127.0.0.1:" + rpc);
}

std::string cluster_processes::address(unsigned node) const { return addresses_.at(node - 1); }

std::string cluster_processes::addresses() const {
    std::string all;
    for (const std::string& each : addresses_) all += (all.empty() ? "" : ",") + each;
    return all;
}

outcome cluster_processes::run_at(const std::string& server, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program());
    process p({.argv = std::move(arguments), .env = client_env(server)});
    const int status = p.wait();
    return {status, p.out(), p.err()};
}

std::vector<nlohmann::json> cluster_processes::lines_at(const std::string& server,
                                                        std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-o", "json"});
    const outcome done = run_at(server, std::move(arguments));
    BOOST_TEST_CONTEXT(done.err) BOOST_TEST(done.status == 0);
    std::vector<nlohmann::json> lines;
    std::istringstream text(done.out);
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
}

nlohmann::json cluster_processes::node_row(unsigned asked, unsigned node) const {
    const outcome done = run_at(address(asked), {"node", "list", "--all", "-o", "json"});
    std::istringstream text(done.out);
    for (std::string line; std::getline(text, line);)
        if (auto row = nlohmann::json::parse(line); row["node"] == node) return row;
    return {};
}

nlohmann::json cluster_processes::shard_row(unsigned asked) const {
    const outcome done = run_at(address(asked), {"shard", "list", "-o", "json"});
    return done.status == 0 && !done.out.empty() ? nlohmann::json::parse(done.out) : nlohmann::json{};
}

unsigned cluster_processes::primary(unsigned asked) const {
    const auto row = shard_row(asked);
    return row.is_object() && row["primary"].is_number() ? row["primary"].get<unsigned>() : 0;
}

environment cluster_processes::client_env(const std::string& server) const {
    return {{"COPPICE_SERVER", server}, {"COPPICE_TOKEN_FILE", token_file()}};
}

void cluster_processes::run_a_job(const std::string& type) const {
    const outcome done = run(
        {"job", "submit", "--tenant", "default", "--type", type, "--payload", R"({"argv":["true"]})", "--wait"});
    BOOST_TEST_CONTEXT(done.err) BOOST_TEST(done.status == 0);
    if (done.status != 0) BOOST_TEST_MESSAGE(words_of_all());
}

} // namespace coppice::end_to_end
