// A cluster of real processes: an etcd and three nodes, made by `coppice cluster`; and a client that never stops
// submitting, which knows what was acknowledged, when, and what was not.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "runtime/client/blocking_client.hpp"
#include "tests/cluster/control/etcd_process.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

class cluster_under_test {
  public:
    explicit cluster_under_test(std::size_t nodes = 3, std::uint32_t shards = 3);

    std::size_t size() const { return nodes_.size(); }
    void start(std::size_t i);
    int kill(std::size_t i, int signal); // and waits for its end
    // Ends in peace, and begins again with another text for the first `from` of its configuration.
    void restart_with(std::size_t i, const std::string& from, const std::string& to);
    void signal(std::size_t i, int signal) const;
    bool runs(std::size_t i) const { return nodes_.at(i).running != nullptr; }
    const std::string& config(std::size_t i) const { return nodes_.at(i).config; }
    const std::string& address(std::size_t i) const { return nodes_.at(i).address; }
    std::string token_file() const { return token_file_; }
    client::options client_of(std::size_t i) const;
    client::options client_of_all(std::size_t first) const; // knows all nodes, and begins with that one

    outcome run(std::size_t i, std::vector<std::string> arguments) const;
    std::unique_ptr<process> begin(std::size_t i, std::vector<std::string> arguments) const;
    // A gauge of a node's own page, of a shard; nothing while it does not answer.
    std::optional<double> metric(std::size_t i, const std::string& name, std::uint16_t shard) const;
    int ready(std::size_t i) const; // the status of its /readyz; 0: no answer
    // The shard of tenant "acme", whose jobs most tests submit.
    std::uint16_t shard_of_acme() const { return static_cast<std::uint16_t>(1 % shards_); }
    // The node that serves the shard, as it says itself; waits for one. `not_this`: another than that.
    std::size_t primary(std::uint16_t shard, std::optional<std::size_t> not_this = {}) const;
    std::size_t primary(std::optional<std::size_t> not_this = {}) const {
        return primary(shard_of_acme(), not_this);
    }
    // Waits until the primaries of all shards know so many replicas in sync.
    bool all_in_sync(std::size_t count) const;
    testing::etcd_process& etcd() { return etcd_; }
    // Where the first node lets others in.
    std::string join_address() const { return "127.0.0.1:" + std::to_string(join_port_); }
    const scratch_directory& files() const { return files_; }
    // What all lives of a node have logged.
    std::string log(std::size_t i) const;
    // What each node says of its shards, and the end of its log: for whoever reads why a test failed.
    std::string account() const;

  private:
    struct one_node {
        std::string config, address, metrics;
        std::unique_ptr<process> running;
        std::string earlier_log;
    };
    std::uint32_t shards_;
    std::uint16_t join_port_ = testing::free_port();
    scratch_directory files_;
    testing::etcd_process etcd_;
    std::vector<one_node> nodes_;
    std::string token_file_;
};

// One submission after the other, from a thread of its own, of a type that nobody works for.
class steady_client {
  public:
    steady_client(const cluster_under_test& cluster, std::size_t at) : steady_client(cluster.client_of(at)) {}
    explicit steady_client(client::options options);
    ~steady_client() { stop(); }
    void stop();

    std::vector<job_id> acknowledged() const;
    std::vector<failure> refused() const;
    // The longest time between two acknowledgements, from the first on.
    std::chrono::milliseconds longest_gap() const;
    // Waits for so many more of them.
    bool more(std::size_t count) const;

  private:
    void loop(client::options options);

    mutable std::mutex mutex_;
    std::vector<job_id> acknowledged_;
    std::vector<failure> refused_;
    std::chrono::steady_clock::time_point last_{};
    std::chrono::milliseconds gap_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// all_in_sync and more, or the test ends and tells what each node had to say.
void require_all_in_sync(const cluster_under_test& cluster, std::size_t count);
void require_more(const cluster_under_test& cluster, const steady_client& client, std::size_t count);

// Every one of these jobs is there, as each running node tells it.
void require_all_there(const cluster_under_test& cluster, const std::vector<job_id>& jobs);

} // namespace coppice::end_to_end
