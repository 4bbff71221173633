#include "runtime/node/edge_thread.hpp"

#include "runtime/edge/rpc_server.hpp"

namespace coppice {
namespace {

kj::Own<kj::ConnectionReceiver> bind(kj::AsyncIoContext& io, const endpoint& where) {
    const std::string host = where.host.find(':') == std::string::npos ? where.host : "[" + where.host + "]";
    auto address = io.provider->getNetwork().parseAddress(host, where.port).wait(io.waitScope);
    return address->listen();
}

bool joins(const node_config& config) { return config.cluster && !config.cluster->join_listen.host.empty(); }

} // namespace

edge_thread::edge_thread(edge_context& edge, const node_config& config, metrics_routes routes, join_admit admit)
    : edge_(edge), config_(config), routes_(std::move(routes)), admit_(std::move(admit)) {}

expected<bound_ports> edge_thread::start() {
    std::promise<expected<bound_ports>> bound;
    auto result = bound.get_future();
    thread_ = std::thread([this, bound = std::move(bound)]() mutable { run(std::move(bound)); });
    return result.get();
}

void edge_thread::reload_certificate() {
    edge_.inbox->post([this] { reload_now(); });
}

expected<void> edge_thread::load_certificates(kj::Timer& timer) {
    const auto load = [&timer](tls_server_files files, std::optional<tls_server>& into) -> expected<void> {
        auto loaded = tls_server::load(std::move(files), timer);
        if (!loaded) return tl::unexpected(loaded.error());
        into.emplace(std::move(*loaded));
        return {};
    };
    if (config_.tls.enabled())
        if (auto done = load({config_.tls.certificate, config_.tls.key, {}, {}}, tls_); !done) return done;
    if (!joins(config_)) return {};
    const cluster_settings& cluster = *config_.cluster;
    return load({cluster.certificate, cluster.key, {}, cluster.ca}, join_tls_);
}

void edge_thread::reload_now() {
    for (auto* each : {&tls_, &join_tls_}) {
        if (!*each) continue;
        if (const auto done = (*each)->reload(); !done)
            edge_.log.error("the certificate was not reloaded; the former one stays",
                            {{"why", to_string(done.error())}});
        else
            edge_.log.info("the certificate was reloaded");
    }
}

void edge_thread::stop() {
    if (thread_.joinable()) edge_.inbox->post([this] { stop_taking(); });
    if (thread_.joinable()) thread_.join();
    edge_.inbox->loop_is_gone();
}

void edge_thread::stop_taking() {
    if (timer_ == nullptr) return edge_.inbox->close(); // it never served
    edge_.calls->stopping = true;
    close_ports_();
    stopping_ = answered_all(*timer_, timer_->now() + limits::stop_patience.count() * kj::MILLISECONDS)
                    .then([this] { edge_.inbox->close(); })
                    .eagerlyEvaluate([this](kj::Exception&&) { edge_.inbox->close(); });
}

// And what was answered has left.
kj::Promise<void> edge_thread::answered_all(kj::Timer& timer, kj::TimePoint end) {
    return timer.afterDelay(limits::stop_look_every.count() * kj::MILLISECONDS)
        .then([this, &timer, end]() -> kj::Promise<void> {
            if (edge_.calls->count == 0 || timer.now() >= end)
                return timer.afterDelay(limits::stop_look_every.count() * kj::MILLISECONDS);
            return answered_all(timer, end);
        });
}

void edge_thread::run(std::promise<expected<bound_ports>> bound) {
    auto io = kj::setupAsyncIo();
    kj::Timer& timer = io.provider->getTimer();
    rpc_server rpc{edge_, timer};
    metrics_server metrics{timer, routes_};
    kj::Maybe<kj::Own<kj::ConnectionReceiver>> rpc_port, metrics_port, join_port;
    std::string where;
    try {
        where = to_string(config_.listen);
        auto plain = bind(io, config_.listen);
        bound_ports ports{static_cast<std::uint16_t>(plain->getPort()), 0};
        rpc_port = kj::mv(plain);
        where = to_string(config_.metrics_listen);
        auto http = bind(io, config_.metrics_listen);
        ports.metrics = static_cast<std::uint16_t>(http->getPort());
        metrics_port = kj::mv(http);
        if (joins(config_)) {
            where = to_string(config_.cluster->join_listen);
            join_port = bind(io, config_.cluster->join_listen);
        }
        if (auto loaded = load_certificates(timer); !loaded) return bound.set_value(tl::unexpected(loaded.error()));
        if (tls_) rpc.use_tls(*tls_);
        bound.set_value(ports);
    } catch (const kj::Exception& e) {
        return bound.set_value(
            fail(errc::unavailable, "cannot listen on " + where + ": " + std::string{e.getDescription().cStr()}));
    }
    auto serving = rpc.serve(kj::mv(KJ_ASSERT_NONNULL(rpc_port))).eagerlyEvaluate([this](kj::Exception&& e) {
        edge_.log.error("the RPC port failed", {{"why", std::string{e.getDescription().cStr()}}});
    });
    auto measuring =
        metrics.listen(kj::mv(KJ_ASSERT_NONNULL(metrics_port))).eagerlyEvaluate([this](kj::Exception&& e) {
            edge_.log.error("the metrics port failed", {{"why", std::string{e.getDescription().cStr()}}});
        });
    kj::Maybe<kj::Own<join_desk>> desk;
    kj::Promise<void> joining = nullptr;
    KJ_IF_MAYBE (port, join_port) {
        auto made =
            kj::heap<join_desk>(join_desk_options{admit_, edge_.inbox, edge_.log.named("join")}, *join_tls_, timer);
        joining = made->serve(kj::mv(*port)).eagerlyEvaluate([this](kj::Exception&& e) {
            edge_.log.error("the join port failed", {{"why", std::string{e.getDescription().cStr()}}});
        });
        desk = kj::mv(made);
    }
    close_ports_ = [&] {
        serving = nullptr;
        measuring = nullptr;
        joining = nullptr;
    };
    timer_ = &timer;
    edge_.inbox->run().wait(io.waitScope);
    stopping_ = nullptr;
    joining = nullptr;
    desk = nullptr;
    join_tls_.reset(); // these two hold the loop's timer
    tls_.reset();
}

} // namespace coppice
