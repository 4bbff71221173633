#include "runtime/client/worker.hpp"

#include <kj/async-unix.h>

#include <algorithm>
#include <csignal>

#include "runtime/client/link.hpp"
#include "runtime/client/runners.hpp"
#include "runtime/client/worker_core.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

// What still runs after the drain is told to stop, and has this long.
constexpr milliseconds stop_kill_grace{1000};

worker_options bounded_by_threads(worker_options what) {
    what.slots = std::min(what.slots, limits::worker_threads_max);
    return what;
}

// `make` gives the worker on a loop that has these signals to itself; they are set aside before there is any
// thread.
template <class Make>
expected<void> run_until_signal(Make make, milliseconds stop_grace) {
    kj::UnixEventPort::captureSignal(SIGTERM);
    kj::UnixEventPort::captureSignal(SIGINT);
    auto io = kj::setupAsyncIo();
    expected<std::unique_ptr<worker>> made = make(io);
    if (!made) return tl::unexpected(std::move(made.error()));
    worker& working = **made;
    const auto next_signal = [&] {
        return io.unixEventPort.onSignal(SIGTERM).exclusiveJoin(io.unixEventPort.onSignal(SIGINT)).ignoreResult();
    };
    auto& timer = io.provider->getTimer();
    auto going = next_signal()
                     .then([&] {
                         auto drained = working.drain();
                         auto patience = timer.afterDelay(to_kj(stop_grace)).exclusiveJoin(next_signal());
                         return drained.exclusiveJoin(patience.then([&] { return working.stop(stop_kill_grace); }));
                     })
                     .eagerlyEvaluate(nullptr);
    return working.run().wait(io.waitScope);
}

template <class Handler>
expected<void> run_handler(options& where, worker_options& what, Handler& handler, milliseconds stop_grace) {
    return run_until_signal(
        [&](kj::AsyncIoContext& io) -> expected<std::unique_ptr<worker>> {
            return std::make_unique<worker>(io, std::move(where), std::move(what), std::move(handler));
        },
        stop_grace);
}

} // namespace

worker::worker(kj::AsyncIoContext& io, options where, worker_options what, ready_handler handler)
    : core_(std::make_unique<core>(io, std::move(where), std::move(what), std::move(handler), nullptr)) {}

worker::worker(kj::AsyncIoContext& io, options where, worker_options what, promise_handler handler)
    : worker(io, std::move(where), std::move(what), make_promise_runner(std::move(handler))) {}

worker::worker(kj::AsyncIoContext& io, options where, worker_options what, blocking_handler handler)
    : core_(nullptr) {
    what = bounded_by_threads(std::move(what));
    auto runner = make_thread_runner(std::move(handler), what.slots);
    core_ = std::make_unique<core>(io, std::move(where), std::move(what), ready_handler{}, std::move(runner));
}

worker::worker(kj::AsyncIoContext& io, options where, worker_options what, std::unique_ptr<attempt_runner> runner)
    : core_(std::make_unique<core>(io, std::move(where), std::move(what), ready_handler{}, std::move(runner))) {}

worker::~worker() = default;

kj::Promise<expected<void>> worker::run() { return core_->run(); }
kj::Promise<void> worker::drain() { return core_->drain(); }
kj::Promise<void> worker::stop(milliseconds grace) { return core_->stop(grace); }
void worker::on_assigned(std::function<void(const assignment&)> observer) { core_->observer = std::move(observer); }
worker_figures worker::figures() const { return core_->figures(); }

expected<void> run_worker(options where, worker_options what, ready_handler handler, milliseconds stop_grace) {
    return run_handler(where, what, handler, stop_grace);
}
expected<void> run_worker(options where, worker_options what, promise_handler handler, milliseconds stop_grace) {
    return run_handler(where, what, handler, stop_grace);
}
expected<void> run_worker(options where, worker_options what, blocking_handler handler, milliseconds stop_grace) {
    return run_handler(where, what, handler, stop_grace);
}
expected<void> run_worker_of(options where, worker_options what, const runner_factory& make,
                             milliseconds stop_grace) {
    return run_until_signal(
        [&](kj::AsyncIoContext& io) -> expected<std::unique_ptr<worker>> {
            auto runner = make();
            if (!runner) return tl::unexpected(std::move(runner.error()));
            return std::make_unique<worker>(io, std::move(where), std::move(what), std::move(*runner));
        },
        stop_grace);
}

} // namespace coppice::client
