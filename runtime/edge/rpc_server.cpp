#include "runtime/edge/rpc_server.hpp"

#include "runtime/edge/job_service.hpp"
#include "runtime/edge/platform_service.hpp"

namespace coppice {
namespace {

// The only capability that a stranger gets.
class gate final : public api::Gate::Server {
  public:
    gate(edge_context& edge, job_id_minter& minter, kj::Timer& timer, worker_counter& workers)
        : edge_(edge), minter_(minter), timer_(timer), workers_(workers) {}

  protected:
    kj::Promise<void> login(LoginContext context) override {
        const auto verified = edge_.verifier.verify(view_of(context.getParams().getToken()), edge_.clock());
        if (!verified) {
            edge_.login_refused();
            edge_.log.warn("login refused", {{"code", std::string{to_string(verified.error().code)}}});
            write_failure(verified.error(), context.getResults().initFailure());
            return kj::READY_NOW;
        }
        const session_identity identity{verified->who, verified->expires_at};
        auto grant = context.getResults().initGrant();
        grant.setSubject(identity.who.subject.c_str());
        grant.setRole(std::string{to_string(identity.who.role)}.c_str());
        if (identity.who.tenant) grant.setTenant(identity.who.tenant->c_str());
        grant.setNodeVersion(COPPICE_VERSION);
        if (allows_somewhere(identity.who, permission::read_jobs))
            grant.setJobs(kj::heap<job_service>(edge_, minter_, timer_, identity));
        if (allows_somewhere(identity.who, permission::work))
            grant.setWorkers(kj::heap<worker_service>(edge_, timer_, workers_, identity));
        if (allows_somewhere(identity.who, permission::read_declared))
            grant.setPlatform(kj::heap<platform_service>(edge_, identity));
        return kj::READY_NOW;
    }

  private:
    edge_context& edge_;
    job_id_minter& minter_;
    kj::Timer& timer_;
    worker_counter& workers_;
};

constexpr capnp::ReaderOptions hostile_message{.traversalLimitInWords = limits::rpc_message_size_max / 8,
                                               .nestingLimit = 64};

} // namespace

kj::Promise<void> rpc_server::serve(kj::Own<kj::ConnectionReceiver> listener) {
    auto& receiver = *listener;
    return receiver.accept().then([this, listener = kj::mv(listener)](kj::Own<kj::AsyncIoStream> stream) mutable {
        accepted(kj::mv(stream));
        return serve(kj::mv(listener));
    });
}

void rpc_server::accepted(kj::Own<kj::AsyncIoStream> stream) {
    std::atomic<std::size_t>& open = *edge_.rpc_connections; // for the metrics; changed here alone
    if (open >= limits::rpc_connections_max) {
        edge_.log.warn("connection refused: too many", {{"connections", std::uint64_t{open}}});
        return; // dropping the stream closes it
    }
    ++open;
    auto ready =
        tls_ == nullptr ? kj::Promise<kj::Own<kj::AsyncIoStream>>(kj::mv(stream)) : tls_->wrap(kj::mv(stream));
    tasks_.add(
        ready.then([this](kj::Own<kj::AsyncIoStream> talking) { return talk(kj::mv(talking)); })
            .attach(kj::defer([&open] { --open; })));
}

kj::Promise<void> rpc_server::talk(kj::Own<kj::AsyncIoStream> stream) {
    auto network =
        kj::heap<capnp::TwoPartyVatNetwork>(*stream, capnp::rpc::twoparty::Side::SERVER, hostile_message);
    auto system = kj::heap(capnp::makeRpcServer(
        *network, capnp::Capability::Client(kj::heap<gate>(edge_, minter_, timer_, workers_))));
    system->setFlowLimit(limits::rpc_message_size_max * 4 / 8);
    auto over = network->onDisconnect();
    return over.attach(kj::mv(system), kj::mv(network), kj::mv(stream));
}

void rpc_server::taskFailed(kj::Exception&& exception) {
    edge_.log.debug("connection failed", {{"why", std::string{exception.getDescription().cStr()}}});
}

} // namespace coppice
