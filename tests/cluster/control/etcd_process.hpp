// A real etcd in a process of its own, on ports that were free and in a directory of its own. It can be killed,
// paused and started again with what it had.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "bench/free_port.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {

using bench::free_port;

class etcd_process {
  public:
    // `scheme` and `more`: for TLS.
    explicit etcd_process(std::string scheme = "http", std::vector<std::string> more = {});
    ~etcd_process() { kill(); }
    etcd_process(const etcd_process&) = delete;
    etcd_process& operator=(const etcd_process&) = delete;

    std::string endpoint() const { return scheme_ + "://127.0.0.1:" + std::to_string(port_); }
    // Returns when it serves: one that is killed before its first entry is on disk has lost its only voter, and
    // never serves again. The process ends with the thread that calls this.
    void start();
    void kill(); // -9, and waits
    void pause();
    void resume();
    // Another cluster in the same place.
    void wipe();
    // Runs etcdctl against it; must end well.
    void ctl(const std::string& arguments) const;

  private:
    const std::string scheme_;
    const std::vector<std::string> more_;
    scratch_directory directory_;
    std::uint16_t port_ = free_port();
    std::uint16_t peer_port_ = free_port();
    pid_t pid_ = -1;
};

} // namespace coppice::testing
