// The HTTP port for machines that watch the node: GET /metrics (Prometheus), /livez and /readyz (probes).
//
// On the caller's KJ event loop and KJ's streams; the head of a request is judged by read_http_head. Nobody is
// trusted: connections, bytes of a head, requests of a connection and every wait are bounded. A connection is one
// request at a time; a client that writes ahead waits in its own socket. Answers are rendered on the loop's thread:
// `metrics` should take milliseconds.
//
// One thread: that of the loop. Nothing here is authenticated: bind it where only the watchers reach.
#pragma once

#include <functional>
#include <kj/async-io.h>
#include <kj/timer.h>
#include <string>
#include <string_view>

#include "schema/limits.hpp"

namespace coppice {

struct health_answer {
    bool ok = false;
    std::string text; // one line for a person: what is missing
};

// Called on the loop's thread. One that throws gives its client a 500 and tells `on_fault`.
struct metrics_routes {
    std::function<std::string()> metrics;           // text of type metrics_content_type
    std::function<health_answer()> live;            // 200 or 503: should the process be restarted?
    std::function<health_answer()> ready;           // 200 or 503: should it get work?
    std::function<void(std::string_view)> on_fault; // for the log: a fault of ours, not of a client
};

struct metrics_server_options {
    std::size_t head_size_max = limits::metrics_head_size_max;
    std::size_t connections_max = limits::metrics_connections_max; // beyond it: 503, and hung up on
    std::size_t requests_per_connection_max = limits::metrics_requests_per_connection_max;
    kj::Duration head_timeout = limits::metrics_head_timeout / std::chrono::seconds{1} * kj::SECONDS; // 408
    kj::Duration idle_timeout = limits::metrics_idle_timeout / std::chrono::seconds{1} * kj::SECONDS; // hung up on
    kj::Duration write_timeout =
        limits::metrics_write_timeout / std::chrono::seconds{1} * kj::SECONDS; // hung up on
};

class metrics_server final : private kj::TaskSet::ErrorHandler {
  public:
    // `timer` is the loop's and outlives the server.
    metrics_server(kj::Timer& timer, metrics_routes routes, metrics_server_options options = {});
    ~metrics_server() noexcept(false);
    KJ_DISALLOW_COPY(metrics_server);

    // Serves what the receiver accepts. Never resolves; dropping the promise closes the port, and dropping the
    // server ends its connections as well. The server must outlive the promise.
    kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver);

    std::size_t connections() const { return connections_; }

  private:
    class connection;

    void taskFailed(kj::Exception&& exception) override;
    kj::Promise<void> accept_next(kj::ConnectionReceiver& receiver);
    void start(kj::Own<kj::AsyncIoStream> stream);

    kj::Timer& timer_;
    metrics_routes routes_;
    metrics_server_options options_;
    std::size_t connections_ = 0;
    kj::TaskSet tasks_;
};

} // namespace coppice
