// A cluster of real processes: etcd and nodes of the program under test, each in a directory of its own, on ports
// that were free. What operators do to it is done through the command line.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

class cluster_processes {
  public:
    // Returns when every node has every other and is in sync.
    explicit cluster_processes(unsigned nodes = 3);
    ~cluster_processes();
    cluster_processes(const cluster_processes&) = delete;
    cluster_processes& operator=(const cluster_processes&) = delete;

    // Nodes are numbered from 1.
    std::string address(unsigned node) const;
    // Of all, with commas between.
    std::string addresses() const;
    std::string data_of(unsigned node) const { return directory_of(node).string(); }
    std::string config_of(unsigned node) const { return (directory_of(node) / "node.yaml").string(); }
    std::string token_file() const { return (directory_of(1) / "operator.token").string(); }
    process& node(unsigned number) const { return *nodes_.at(number - 1); }

    // Against all of them, or one.
    outcome run(std::vector<std::string> arguments) const { return run_at(addresses(), std::move(arguments)); }
    outcome run_at(const std::string& server, std::vector<std::string> arguments) const;
    // The JSON lines of a command that must end well.
    std::vector<nlohmann::json> lines_at(const std::string& server, std::vector<std::string> arguments) const;

    // As the node that is asked says; nothing while it does not answer.
    nlohmann::json node_row(unsigned asked, unsigned node) const;
    nlohmann::json shard_row(unsigned asked) const;
    // Who leads, as `asked` says; 0: nobody.
    unsigned primary(unsigned asked = 1) const;

    // A job of the type; it must be taken and done.
    void run_a_job(const std::string& type = "exec") const;
    environment client_env(const std::string& server) const;

  private:
    // For whoever looks for the reason of a failure.
    std::string words_of_all() const;
    std::filesystem::path directory_of(unsigned node) const;
    void make_node(unsigned node);

    scratch_directory directory_;
    std::string etcd_address_;
    std::vector<std::string> addresses_;
    std::unique_ptr<process> etcd_;
    std::vector<std::unique_ptr<process>> nodes_;
};

} // namespace coppice::end_to_end
