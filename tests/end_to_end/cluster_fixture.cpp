#include "tests/end_to_end/cluster_fixture.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

namespace coppice::end_to_end {
namespace {

constexpr std::string_view documents = R"(kind: JobType
metadata: {name: parked}
spec: {executor: worker, attempts_max: 3}
---
kind: JobType
metadata: {name: echo}
spec: {executor: exec, argv: [cat]}
---
kind: Tenant
metadata: {name: acme}
spec: {types: [parked, echo, worked]}
---
kind: JobType
metadata: {name: worked}
spec: {executor: worker, attempts_max: 3}
)";

std::string port_text(std::uint16_t port) { return std::to_string(port); }

} // namespace

cluster_under_test::cluster_under_test(std::size_t count, std::uint32_t shards) : shards_(shards) {
    const std::string first = (files_ / "n0").string();
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t rpc = testing::free_port(), metrics = testing::free_port(), peer = testing::free_port();
        const std::string data = (files_ / ("n" + std::to_string(i))).string();
        std::vector<std::string> argv{program(), "cluster"};
        if (i == 0)
            argv.insert(argv.end(), {"init", "--name", "grove", "--shards", std::to_string(shards), "--join-port",
                                     port_text(join_port_)});
        else
            argv.insert(argv.end(), {"add", "--from", first});
        argv.insert(argv.end(), {"--data", data, "--port", port_text(rpc), "--metrics-port", port_text(metrics),
                                 "--peer-port", port_text(peer), "--etcd", etcd_.endpoint(), "--exec-slots", "2",
                                 "--zone", "zone-" + std::to_string(i)});
        process made(process::options{.argv = argv});
        BOOST_REQUIRE_MESSAGE(made.wait() == 0, made.err());
        one_node& n = nodes_.emplace_back();
        n.config = data + "/node.yaml";
        n.address = "127.0.0.1:" + port_text(rpc);
        n.metrics = "127.0.0.1:" + port_text(metrics);
    }
    process token(
        process::options{.argv = {program(), "token", "issue", "--role", "platform-owner", "--data", first}});
    BOOST_REQUIRE_EQUAL(token.wait(), 0);
    token_file_ = files_.write("token", token.out());
    for (std::size_t i = 0; i < count; ++i) start(i);
    require_all_in_sync(*this, std::min<std::size_t>(count, 3));
    const auto applied = run(0, {"apply", "-f", files_.write("platform.yaml", documents)});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
}

void cluster_under_test::start(std::size_t i) {
    nodes_.at(i).running =
        std::make_unique<process>(process::options{.argv = {program(), "serve", "--config", nodes_.at(i).config}});
    if (!eventually([&] { return metric(i, "coppice_replica_epoch", 0).has_value(); }))
        BOOST_FAIL("node " << i << " did not come up: " << log(i));
}

int cluster_under_test::kill(std::size_t i, int signal) {
    one_node& n = nodes_.at(i);
    const int status = n.running->kill(signal);
    n.earlier_log += n.running->err();
    n.running.reset();
    return status;
}

void cluster_under_test::restart_with(std::size_t i, const std::string& from, const std::string& to) {
    kill(i, SIGTERM);
    std::string text = read_file(config(i));
    const auto at = text.find(from);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, text);
    text.replace(at, from.size(), to);
    std::ofstream{config(i)} << text;
    start(i);
}

void cluster_under_test::signal(std::size_t i, int signal) const { nodes_.at(i).running->signal(signal); }

std::string cluster_under_test::log(std::size_t i) const {
    const one_node& n = nodes_.at(i);
    return n.running ? n.earlier_log + n.running->err() : n.earlier_log;
}

std::string cluster_under_test::account() const {
    std::string text;
    for (std::size_t i = 0; i < size(); ++i)
        text += account_of(i + 1, runs(i) ? std::optional{run(i, {"shard", "list"})} : std::nullopt, log(i));
    return text;
}

client::options cluster_under_test::client_of(std::size_t i) const {
    client::options o;
    o.server = address(i);
    o.token_file = token_file_;
    return o;
}

client::options cluster_under_test::client_of_all(std::size_t first) const {
    client::options o = client_of(first);
    for (std::size_t i = 1; i < nodes_.size(); ++i) o.server += "," + address((first + i) % nodes_.size());
    o.order = client::server_order::as_listed;
    return o;
}

outcome cluster_under_test::run(std::size_t i, std::vector<std::string> arguments) const {
    const auto p = begin(i, std::move(arguments));
    const int status = p->wait();
    return {status, p->out(), p->err()};
}

std::unique_ptr<process> cluster_under_test::begin(std::size_t i, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program());
    return std::make_unique<process>(
        process::options{.argv = std::move(arguments),
                         .env = {{"COPPICE_SERVER", address(i)}, {"COPPICE_TOKEN_FILE", token_file_}}});
}

std::optional<double> cluster_under_test::metric(std::size_t i, const std::string& name,
                                                 std::uint16_t shard) const {
    process curl(
        process::options{.argv = {"/usr/bin/curl", "-sm", "2", "http://" + nodes_.at(i).metrics + "/metrics"}});
    if (curl.wait() != 0) return std::nullopt;
    const std::string wanted = name + "{shard=\"" + std::to_string(shard) + "\"}";
    std::istringstream lines{curl.out()};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(wanted)) return std::stod(line.substr(line.rfind(' ') + 1));
    return std::nullopt;
}

int cluster_under_test::ready(std::size_t i) const {
    process curl(process::options{.argv = {"/usr/bin/curl", "-sm", "2", "-o", "/dev/null", "-w", "%{http_code}",
                                           "http://" + nodes_.at(i).metrics + "/readyz"}});
    curl.wait();
    return std::atoi(curl.out().c_str());
}

std::size_t cluster_under_test::primary(std::uint16_t shard, std::optional<std::size_t> not_this) const {
    std::optional<std::size_t> found;
    const bool there = eventually([&] {
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (i != not_this && runs(i) && metric(i, "coppice_replica_serving", shard) == 1.0) found = i;
        return found.has_value();
    });
    BOOST_REQUIRE_MESSAGE(there, "no node serves shard " << shard);
    return *found;
}

bool cluster_under_test::all_in_sync(std::size_t count) const {
    for (std::uint16_t shard = 0; shard < shards_; ++shard) {
        const bool is_there = eventually([&] {
            const std::size_t leader = primary(shard);
            return metric(leader, "coppice_replica_in_sync", shard) == static_cast<double>(count) &&
                   metric(leader, "coppice_replica_serving", shard) == 1.0;
        });
        if (!is_there) return false;
    }
    return true;
}

// ---- the client
// ----------------------------------------------------------------------------------------------------------

steady_client::steady_client(client::options options)
    : thread_([this, options = std::move(options)] { loop(options); }) {}

void steady_client::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

void steady_client::loop(client::options options) {
    client::blocking_client as{std::move(options)};
    while (!stopping_) {
        const auto answer = as.submit(client::job_spec{.tenant = "acme", .type = "parked", .payload = "{}"});
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard guard{mutex_};
        if (!answer) {
            refused_.push_back(answer.error());
            continue;
        }
        if (!acknowledged_.empty())
            gap_ = std::max(gap_, std::chrono::duration_cast<std::chrono::milliseconds>(now - last_));
        last_ = now;
        acknowledged_.push_back(answer->id);
    }
}

std::vector<job_id> steady_client::acknowledged() const {
    const std::lock_guard guard{mutex_};
    return acknowledged_;
}

std::vector<failure> steady_client::refused() const {
    const std::lock_guard guard{mutex_};
    return refused_;
}

std::chrono::milliseconds steady_client::longest_gap() const {
    const std::lock_guard guard{mutex_};
    return gap_;
}

bool steady_client::more(std::size_t count) const {
    const std::size_t before = acknowledged().size();
    return eventually([&] { return acknowledged().size() >= before + count; });
}

void require_all_in_sync(const cluster_under_test& cluster, std::size_t count) {
    if (!cluster.all_in_sync(count)) BOOST_FAIL("not all are in sync" << cluster.account());
}

void require_more(const cluster_under_test& cluster, const steady_client& client, std::size_t count) {
    if (client.more(count)) return;
    const auto refused = client.refused();
    BOOST_FAIL("too few submits were acknowledged; "
               << refused.size() << " were refused"
               << (refused.empty() ? "" : ", last: " + to_string(refused.back())) << cluster.account());
}

void require_all_there(const cluster_under_test& cluster, const std::vector<job_id>& jobs) {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
        if (!cluster.runs(i)) continue;
        client::blocking_client as{cluster.client_of(i)};
        std::size_t missing = 0;
        std::string first;
        for (const job_id& id : jobs)
            if (const auto got = as.get(id); !got && missing++ == 0) first = to_string(got.error());
        if (missing > 0)
            BOOST_ERROR("node " << i + 1 << " misses " << missing << " of " << jobs.size() << ", first: " << first
                                << cluster.account());
    }
}

} // namespace coppice::end_to_end
