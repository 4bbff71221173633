// An etcd and the nodes of a cluster, each a process of its own on a real disk, made by `coppice cluster`; with the
// tenant and the types that the rows of the bench use. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/client/blocking_client.hpp"

namespace coppice::bench {

class cluster_under_test {
  public:
    // `binary`: of coppice. Everything lies in a directory of its own below `where`, removed at the end.
    cluster_under_test(std::filesystem::path binary, const std::filesystem::path& where);
    ~cluster_under_test();
    cluster_under_test(const cluster_under_test&) = delete;
    cluster_under_test& operator=(const cluster_under_test&) = delete;

    // All of them up, every shard in sync on all, tenant and types declared. unavailable: it did not come to that.
    expected<void> start();
    // Signals a node and waits for its end.
    void kill(std::uint32_t node, int signal);
    expected<void> restart(std::uint32_t node);
    void kill_etcd();
    expected<void> restart_etcd();
    // Waits until every shard has all its replicas in sync, and each node leads one.
    expected<void> whole();

    std::uint32_t size() const { return nodes; }
    // The operator's, who may do everything; `first`: asked first.
    client::options connect(std::uint32_t first = 1) const;
    // Who leads the shard of the bench's tenant, as `asked` knows it.
    expected<std::uint32_t> primary(std::uint32_t asked = 1) const;

  private:
    static constexpr std::uint32_t nodes = 3;
    struct process {
        pid_t pid = -1;
        std::string address;
    };
    expected<void> make_node(std::uint32_t node);
    expected<pid_t> spawn(const std::vector<std::string>& argv, const std::string& log) const;
    expected<void> run(const std::vector<std::string>& argv, const std::string& log) const;

    std::filesystem::path binary_, root_;
    std::string etcd_client_, etcd_peer_;
    pid_t etcd_ = -1;
    std::vector<process> nodes_; // by number, from 1; the first is none
};

} // namespace coppice::bench
