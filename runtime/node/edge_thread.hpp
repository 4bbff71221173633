// The thread that talks to the world: a KJ event loop with the RPC port and the metrics port.
#pragma once

#include <future>
#include <optional>
#include <thread>

#include "runtime/config/node_config.hpp"
#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/tls.hpp"
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
    // Connections to come are served with what the certificate's files hold now. Any thread; what went wrong is
    // logged, and the former certificate stays.
    void reload_certificate();
    // Closes the ports and all connections, and waits for the thread.
    void stop();

  private:
    void run(std::promise<expected<bound_ports>> bound);
    void reload_now();

    edge_context& edge_;
    const node_config& config_;
    metrics_routes routes_;
    std::optional<tls_server> tls_; // the loop's
    std::thread thread_;
};

} // namespace coppice
