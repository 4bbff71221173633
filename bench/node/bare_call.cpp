#include "bench/node/bare_call.hpp"

#include "bench/node/node_under_test.hpp"

namespace coppice::bench {
namespace {

constexpr const char* loopback = "127.0.0.1";

class answer_at_once final : public api::JobService::Server {
  protected:
    kj::Promise<void> result(ResultContext context) override {
        context.getResults().initResult(sizeof(std::uint64_t));
        return kj::READY_NOW;
    }
};

kj::Promise<void> call_chain(bare_client& client, std::uint64_t& left) {
    if (left == 0) return kj::READY_NOW;
    --left;
    return client.call().then([&client, &left] { return call_chain(client, left); });
}

} // namespace

bare_server::bare_server() {
    std::promise<std::uint16_t> bound;
    auto port = bound.get_future();
    thread_ = std::thread([this, bound = std::move(bound)]() mutable { run(std::move(bound)); });
    port_ = port.get();
}

bare_server::~bare_server() {
    stopper_.get_future().get()->fulfill();
    thread_.join();
}

void bare_server::run(std::promise<std::uint16_t> bound) {
    auto io = kj::setupAsyncIo();
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    stopper_.set_value(kj::mv(stop.fulfiller));
    auto listener = io.provider->getNetwork().parseAddress(loopback, 0).wait(io.waitScope)->listen();
    capnp::TwoPartyServer server{kj::heap<answer_at_once>()};
    auto serving = server.listen(*listener).eagerlyEvaluate(nullptr);
    bound.set_value(static_cast<std::uint16_t>(listener->getPort()));
    stop.promise.wait(io.waitScope);
}

bare_client::bare_client(kj::AsyncIoContext& io, std::uint16_t port)
    : io_(io), stream_(io.provider->getNetwork()
                           .parseAddress(loopback, port)
                           .then([](kj::Own<kj::NetworkAddress> where) {
                               auto connecting = where->connect();
                               return connecting.attach(kj::mv(where));
                           })
                           .wait(io.waitScope)),
      rpc_(*stream_), service_(rpc_.bootstrap().castAs<api::JobService>()) {}

kj::Promise<void> bare_client::call() {
    auto request = service_.resultRequest();
    auto id = request.initId();
    id.setHigh(1);
    id.setLow(2);
    return request.send().ignoreResult();
}

double bare_client::seconds_of(std::uint64_t calls, std::uint32_t in_flight) {
    std::uint64_t left = calls;
    const auto begin = steady::now();
    auto chains = kj::heapArrayBuilder<kj::Promise<void>>(in_flight);
    for (std::uint32_t i = 0; i < in_flight; ++i) chains.add(call_chain(*this, left));
    kj::joinPromises(chains.finish()).wait(io_.waitScope);
    return us_since(begin) / 1e6;
}

} // namespace coppice::bench
