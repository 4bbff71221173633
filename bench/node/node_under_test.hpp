// A real `coppice serve --dev` in a process of its own, on a real disk, with the tenant and the types that the rows
// of the bench use.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "bench/child_process.hpp"
#include "runtime/client/bench_driver.hpp"
#include "runtime/client/options.hpp"
#include "schema/errc.hpp"

namespace coppice::bench {

using steady = std::chrono::steady_clock;

inline double us_since(steady::time_point begin) {
    return std::chrono::duration<double, std::micro>(steady::now() - begin).count();
}

inline constexpr const char* tenant_name = "bench";
inline constexpr const char* noop_type = "noop"; // what the benches' worker runs
inline constexpr const char* idle_type = "idle"; // what waits: no worker runs it, unless a row attaches one

// Declares the bench's tenant and types at a node, or a cluster.
expected<void> declare_for_bench(const client::options& at);

class node_under_test {
  public:
    // `binary`: of coppice. Each node has a directory of its own below `where`, removed at the end.
    node_under_test(std::filesystem::path binary, const std::filesystem::path& where);
    ~node_under_test();
    node_under_test(const node_under_test&) = delete;
    node_under_test& operator=(const node_under_test&) = delete;

    // Starts it, waits until it listens, declares the tenant and the types.
    expected<void> start();
    // SIGKILL, and its end.
    void kill();
    // The same node again, on the same port: forks and returns. `wait_listening` says when it listens.
    expected<void> restart();
    expected<void> wait_listening();

    client::options connect() const;     // the operator's, who may do everything
    std::uint64_t anonymous_kib() const; // RssAnon
    std::filesystem::path data_file() const { return root_ / "data" / "data.mdb"; }

  private:
    expected<void> spawn(const std::string& listen);
    std::string log() const;

    std::filesystem::path binary_;
    std::filesystem::path root_;
    std::string address_;
    pid_t pid_ = -1;
};

// What `coppice bench` would put on it, but for the numbers.
client::bench_options load_on(const node_under_test& node, std::string type = noop_type,
                              std::string tenant = tenant_name);

} // namespace coppice::bench
