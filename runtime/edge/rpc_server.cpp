#include "runtime/edge/rpc_server.hpp"

#include <kj/debug.h>
#include <sys/socket.h>

#include "runtime/edge/accept_loop.hpp"
#include "runtime/edge/guarded_stream.hpp"
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/platform_service.hpp"

namespace coppice {
namespace {

// The only capability that a stranger gets.
class gate final : public api::Gate::Server {
  public:
    gate(edge_context& edge, job_id_minter& minter, kj::Timer& timer, worker_counter& workers,
         connection_ptr connection)
        : edge_(edge), minter_(minter), timer_(timer), workers_(workers), connection_(std::move(connection)) {}

  protected:
    kj::Promise<void> login(LoginContext context) override {
        if (connection_->logins++ >= limits::rpc_logins_per_connection_max) {
            write_failure({errc::overloaded, "too many logins on one connection", 0},
                          context.getResults().initFailure());
            return kj::READY_NOW;
        }
        const auto verified = edge_.verifier.verify(view_of(context.getParams().getToken()), edge_.clock());
        if (!verified) {
            edge_.login_refused();
            edge_.log.warn("login refused", {{"code", std::string{to_string(verified.error().code)}}});
            write_failure(verified.error(), context.getResults().initFailure());
            return kj::READY_NOW;
        }
        connection_->known = true;
        const session_identity identity{verified->who, verified->expires_at, connection_};
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
            grant.setPlatform(kj::heap<platform_service>(edge_, timer_, identity));
        return kj::READY_NOW;
    }

  private:
    edge_context& edge_;
    job_id_minter& minter_;
    kj::Timer& timer_;
    worker_counter& workers_;
    connection_ptr connection_;
};

// A connection while it lives. Parts go in reverse: the RPC system before the stream that it writes to.
struct conversation {
    conversation(kj::Own<kj::AsyncIoStream> inner, const connection_ptr& connection, api::Gate::Client entrance);
    guarded_stream stream;
    capnp::TwoPartyVatNetwork network;
    capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
};

constexpr capnp::ReaderOptions hostile_message{.traversalLimitInWords = limits::rpc_message_size_max / 8,
                                               .nestingLimit = 64};

conversation::conversation(kj::Own<kj::AsyncIoStream> inner, const connection_ptr& connection,
                           api::Gate::Client entrance)
    : stream(kj::mv(inner), connection), network(stream, capnp::rpc::twoparty::Side::SERVER, hostile_message),
      system(capnp::makeRpcServer(network, kj::mv(entrance))) {
    system.setFlowLimit(limits::rpc_message_size_max * 4 / 8);
}

kj::Duration to_kj(milliseconds d) { return d.count() * kj::MILLISECONDS; }

// So that the end of a peer that went without a word is noticed some day.
void keep_alive(kj::AsyncIoStream& stream) {
    const int on = 1;
    stream.setsockopt(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

} // namespace

kj::Promise<void> rpc_server::serve(kj::Own<kj::ConnectionReceiver> listener) {
    return accept_loop(kj::mv(listener), timer_,
                       {.take = [this](kj::Own<kj::AsyncIoStream> stream) { accepted(kj::mv(stream)); },
                        .not_taken = [this](kj::Exception&& e) { taskFailed(kj::mv(e)); },
                        .not_accepted =
                            [this](kj::Exception&& e) {
                                edge_.log.warn("a connection could not be accepted",
                                               {{"why", std::string{e.getDescription().cStr()}}});
                            }});
}

void rpc_server::accepted(kj::Own<kj::AsyncIoStream> stream) {
    std::atomic<std::size_t>& open = *edge_.rpc_connections; // for the metrics; changed here alone
    if (open >= limits::rpc_connections_max) {
        edge_.log.warn("connection refused: too many", {{"connections", std::uint64_t{open}}});
        return; // dropping the stream closes it
    }
    keep_alive(*stream);
    auto connection = std::make_shared<connection_state>();
    connection->all = edge_.calls;
    auto ready =
        tls_ == nullptr ? kj::Promise<kj::Own<kj::AsyncIoStream>>(kj::mv(stream)) : tls_->wrap(kj::mv(stream));
    ++open;
    auto over =
        ready.then([this, connection](kj::Own<kj::AsyncIoStream> met) { return talk(kj::mv(met), connection); });
    tasks_.add(over.exclusiveJoin(end_of_patience(connection)).attach(kj::defer([&open] { --open; })));
}

kj::Promise<void> rpc_server::talk(kj::Own<kj::AsyncIoStream> stream, const connection_ptr& connection) {
    auto talking = kj::heap<conversation>(kj::mv(stream), connection,
                                          kj::heap<gate>(edge_, minter_, timer_, workers_, connection));
    auto over = talking->network.onDisconnect();
    return over.attach(kj::mv(talking));
}

// Ends a connection that nobody has logged in on; never ends for another.
kj::Promise<void> rpc_server::end_of_patience(const connection_ptr& connection) {
    return timer_.afterDelay(to_kj(limits::rpc_login_timeout)).then([connection]() -> kj::Promise<void> {
        if (connection->known) return kj::NEVER_DONE;
        return KJ_EXCEPTION(DISCONNECTED, "nobody logged in");
    });
}

void rpc_server::taskFailed(kj::Exception&& exception) {
    edge_.log.debug("connection failed", {{"why", std::string{exception.getDescription().cStr()}}});
}

} // namespace coppice
