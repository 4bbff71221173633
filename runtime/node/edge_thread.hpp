// The thread that talks to the world: a KJ event loop with the RPC port and the metrics port.
#pragma once

#include <future>
#include <thread>

#include "runtime/config/node_config.hpp"
#include "runtime/edge/edge_context.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

struct bound_ports {
    std::uint16_t rpc = 0;
    std::uint16_t metrics = 0;
};

class edge_thread {
  public:
    // `edge` and `routes` outlive it. Binds in the thread; `start` waits for that.
    edge_thread(edge_context& edge, const node_config& config, metrics_routes routes);
    ~edge_thread() { stop(); }
    edge_thread(const edge_thread&) = delete;
    edge_thread& operator=(const edge_thread&) = delete;

    expected<bound_ports> start();
    // Closes the ports and all connections, and waits for the thread.
    void stop();

  private:
    void run(std::promise<expected<bound_ports>> bound);

    edge_context& edge_;
    const node_config& config_;
    metrics_routes routes_;
    std::thread thread_;
};

} // namespace coppice
