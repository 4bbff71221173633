// The thread that talks to the world: a KJ event loop with the RPC port, the metrics port and, where new nodes are
// let in, the port for those.
#pragma once

#include <future>
#include <optional>
#include <thread>

#include "runtime/config/node_config.hpp"
#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/tls.hpp"
#include "runtime/joining/join_desk.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

struct bound_ports {
    std::uint16_t rpc = 0;
    std::uint16_t metrics = 0;
};

class edge_thread {
  public:
    // `edge` and `routes` outlive it. `admit` decides about nodes that ask to be let in, where the configuration
    // has a port for them. Binds in the thread; `start` waits for that.
    edge_thread(edge_context& edge, const node_config& config, metrics_routes routes, join_admit admit);
    ~edge_thread() { stop(); }
    edge_thread(const edge_thread&) = delete;
    edge_thread& operator=(const edge_thread&) = delete;

    expected<bound_ports> start();
    // Connections to come are served with what the certificate's files hold now. Any thread; what went wrong is
    // logged, and the former certificate stays.
    void reload_certificate();
    // Closes the ports, answers what is under way (for limits::stop_patience at the most; what comes meanwhile is
    // refused with node_stopping), closes all connections, and waits for the thread.
    void stop();

  private:
    void run(std::promise<expected<bound_ports>> bound);
    expected<void> load_certificates(kj::Timer& timer);
    void reload_now();
    void stop_taking();
    kj::Promise<void> answered_all(kj::Timer& timer, kj::TimePoint end);

    edge_context& edge_;
    const node_config& config_;
    metrics_routes routes_;
    const join_admit admit_;
    // The loop's.
    std::optional<tls_server> tls_, join_tls_;
    std::function<void()> close_ports_;
    kj::Timer* timer_ = nullptr;
    kj::Maybe<kj::Promise<void>> stopping_;
    std::thread thread_;
};

} // namespace coppice
