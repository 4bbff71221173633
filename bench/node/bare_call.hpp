// A Cap'n Proto call with nothing behind it, over a real TCP socket: what any call to a node costs at the least.
//
// Intuition: the server answers `JobService.result` with a few bytes, at once, on a thread and loop of its own. So
// the wire and the threads are like a node's, and all else is missing.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <cstdint>
#include <future>
#include <thread>

#include "schema/api.capnp.h"

namespace coppice::bench {

class bare_server {
  public:
    bare_server();
    ~bare_server();
    bare_server(const bare_server&) = delete;
    bare_server& operator=(const bare_server&) = delete;
    std::uint16_t port() const { return port_; }

  private:
    void run(std::promise<std::uint16_t> bound);

    std::promise<kj::Own<kj::CrossThreadPromiseFulfiller<void>>> stopper_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

// On the caller's loop; blocks in it.
class bare_client {
  public:
    bare_client(kj::AsyncIoContext& io, std::uint16_t port);

    kj::Promise<void> call();
    double seconds_of(std::uint64_t calls, std::uint32_t in_flight);

  private:
    kj::AsyncIoContext& io_;
    kj::Own<kj::AsyncIoStream> stream_;
    capnp::TwoPartyClient rpc_;
    api::JobService::Client service_;
};

} // namespace coppice::bench
