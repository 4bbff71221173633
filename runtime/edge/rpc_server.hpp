// The RPC edge: accepts connections and serves api.capnp on them. Each connection begins with the gate alone; a
// token opens the rest, and who shows none in time is hung up on. Runs on the caller's KJ event loop.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "runtime/edge/connection.hpp"
#include "runtime/edge/tls.hpp"
#include "runtime/edge/worker_service.hpp"

namespace coppice {

class rpc_server final : private kj::TaskSet::ErrorHandler {
  public:
    rpc_server(edge_context& edge, kj::Timer& timer) : edge_(edge), timer_(timer), tasks_(*this) {}

    // From now on connections begin with a handshake; `tls` outlives this.
    void use_tls(const tls_server& tls) { tls_ = &tls; }
    // Accepts for as long as the promise lives.
    kj::Promise<void> serve(kj::Own<kj::ConnectionReceiver> listener);

  private:
    void taskFailed(kj::Exception&& exception) override;
    void accepted(kj::Own<kj::AsyncIoStream> stream);
    kj::Promise<void> talk(kj::Own<kj::AsyncIoStream> stream, const connection_ptr& connection);
    kj::Promise<void> end_of_patience(const connection_ptr& connection);

    edge_context& edge_;
    kj::Timer& timer_;
    job_id_minter minter_;
    worker_counter workers_;
    const tls_server* tls_ = nullptr;
    kj::TaskSet tasks_;
};

} // namespace coppice
