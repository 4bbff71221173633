#include "bench/cluster/cluster_under_test.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "bench/free_port.hpp"
#include "bench/node/node_under_test.hpp"

namespace coppice::bench {
namespace {

constexpr milliseconds pause_between_looks{20};
constexpr auto cluster_patience = std::chrono::seconds{60};

std::string new_port() { return std::to_string(free_port()); }

template <class Holds>
expected<void> wait_for(const char* what, Holds holds) {
    for (const auto begin = steady::now(); steady::now() - begin < cluster_patience;) {
        if (holds()) return {};
        std::this_thread::sleep_for(pause_between_looks);
    }
    return fail(errc::unavailable, std::string{"waited in vain: "} + what);
}

} // namespace

cluster_under_test::cluster_under_test(std::filesystem::path binary, const std::filesystem::path& where)
    : binary_(std::move(binary)), root_(make_own_directory(where)), nodes_(nodes + 1) {
    etcd_client_ = "http://127.0.0.1:" + new_port();
    etcd_peer_ = "http://127.0.0.1:" + new_port();
}

cluster_under_test::~cluster_under_test() {
    for (std::uint32_t node = 1; node <= nodes; ++node) kill(node, SIGKILL);
    kill_etcd();
    std::filesystem::remove_all(root_);
}

expected<pid_t> cluster_under_test::spawn(const std::vector<std::string>& argv, const std::string& log) const {
    return bench::spawn(argv, root_ / log, root_ / log);
}

expected<void> cluster_under_test::run(const std::vector<std::string>& argv, const std::string& log) const {
    const auto pid = spawn(argv, log);
    if (!pid) return tl::unexpected(pid.error());
    int status = 0;
    ::waitpid(*pid, &status, 0);
    if (status == 0) return {};
    return fail(errc::unavailable, argv[1] + " " + argv[2] + " failed; see " + (root_ / log).string());
}

expected<void> cluster_under_test::restart_etcd() {
    const auto pid = spawn({"etcd", "--data-dir", root_ / "etcd", "--listen-client-urls", etcd_client_,
                            "--advertise-client-urls", etcd_client_, "--listen-peer-urls", etcd_peer_,
                            "--initial-advertise-peer-urls", etcd_peer_, "--initial-cluster",
                            "default=" + etcd_peer_, "--log-level", "error"},
                           "etcd.log");
    if (!pid) return tl::unexpected(pid.error());
    etcd_ = *pid;
    return {};
}

void cluster_under_test::kill_etcd() { end_process(etcd_, SIGKILL); }

expected<void> cluster_under_test::make_node(std::uint32_t node) {
    const std::string port = new_port();
    nodes_[node].address = "127.0.0.1:" + port;
    std::vector<std::string> argv{binary_, "cluster", node == 1 ? "init" : "add"};
    if (node == 1)
        argv.insert(argv.end(), {"--join-port", "0"});
    else
        argv.insert(argv.end(), {"--from", root_ / "n1"});
    argv.insert(argv.end(), {"--data", root_ / ("n" + std::to_string(node)), "--port", port, "--metrics-port",
                             new_port(), "--peer-port", new_port(), "--etcd", etcd_client_, "--exec-slots", "1"});
    if (auto made = run(argv, "make.log"); !made) return made;
    return restart(node);
}

expected<void> cluster_under_test::restart(std::uint32_t node) {
    const std::string name = "n" + std::to_string(node);
    const auto pid = spawn({binary_, "serve", "--config", root_ / name / "node.yaml"}, name + ".log");
    if (!pid) return tl::unexpected(pid.error());
    nodes_[node].pid = *pid;
    return {};
}

void cluster_under_test::kill(std::uint32_t node, int signal) { end_process(nodes_[node].pid, signal); }

expected<void> cluster_under_test::start() {
    if (auto ok = restart_etcd(); !ok) return ok;
    for (std::uint32_t node = 1; node <= nodes; ++node)
        if (auto ok = make_node(node); !ok) return ok;
    if (auto ok = run({binary_, "token", "issue", "--role", "platform-owner", "--data", root_ / "n1"}, "token");
        !ok)
        return ok;
    if (auto ok = whole(); !ok) return ok;
    return declare_for_bench(connect());
}

expected<void> cluster_under_test::whole() {
    return wait_for("every shard in sync everywhere", [this] {
        client::blocking_client any(connect());
        const auto shards = any.shards();
        if (!shards || shards->size() != nodes) return false;
        std::vector<std::uint32_t> leaders;
        for (const auto& each : *shards) {
            if (each.in_sync.size() != nodes) return false;
            leaders.push_back(each.primary);
        }
        std::ranges::sort(leaders);
        return std::ranges::adjacent_find(leaders) == leaders.end();
    });
}

client::options cluster_under_test::connect(std::uint32_t first) const {
    client::options where;
    where.server.clear();
    for (std::uint32_t i = 0; i < nodes; ++i)
        where.server += (i == 0 ? "" : ",") + nodes_[(first - 1 + i) % nodes + 1].address;
    where.order = client::server_order::as_listed;
    where.token_file = root_ / "token";
    return where;
}

expected<std::uint32_t> cluster_under_test::primary(std::uint32_t asked) const {
    client::blocking_client any(connect(asked));
    const auto shards = any.shards();
    if (!shards) return tl::unexpected(shards.error());
    const shard_id home = shard_of(tenant_id{1}, shards->size()); // the first that was declared
    for (const auto& each : *shards)
        if (each.shard == home.value) return each.primary;
    return fail(errc::not_found, "nobody leads the tenant's shard");
}

} // namespace coppice::bench
