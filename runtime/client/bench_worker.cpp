#include "runtime/client/bench_worker.hpp"

#include "runtime/client/link.hpp"

namespace coppice::client {
namespace {

constexpr milliseconds attach_poll{2};
constexpr milliseconds drain_patience{2000};

kj::Promise<void> until_attached(const worker& w, kj::Timer& timer) {
    if (w.figures().sessions > 0) return kj::READY_NOW;
    return timer.afterDelay(to_kj(attach_poll)).then([&w, &timer] { return until_attached(w, timer); });
}

} // namespace

bench_worker::bench_worker(const bench_options& load, bool timed)
    : thread_([this, load, timed] { run(load, timed); }) {}

const bench_worker::outcome& bench_worker::stop() {
    if (!thread_.joinable()) return outcome_;
    stopper_.get_future().get()->fulfill();
    thread_.join();
    return outcome_;
}

void bench_worker::run(const bench_options& load, bool timed) {
    auto io = kj::setupAsyncIo();
    auto& timer = io.provider->getTimer();
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    stopper_.set_value(kj::mv(stop.fulfiller));
    worker w(io, load.where, {.name = "bench", .types = {load.type}, .slots = load.slots},
             ready_handler{[](const assignment&) { return attempt_outcome{}; }});
    if (timed)
        w.on_assigned([this](const assignment& a) {
            outcome_.received.emplace_back(a.ref.job, std::chrono::steady_clock::now());
        });
    bool told = false;
    const auto tell = [&](expected<void> how) {
        if (!std::exchange(told, true)) attached_.set_value(std::move(how));
    };
    auto running = w.run().then([&](expected<void> ended) { tell(std::move(ended)); }).eagerlyEvaluate(nullptr);
    auto attached = until_attached(w, timer).then([&] { tell({}); }).eagerlyEvaluate(nullptr);
    stop.promise.wait(io.waitScope);
    w.drain().exclusiveJoin(timer.afterDelay(to_kj(drain_patience))).wait(io.waitScope);
    outcome_.report_calls = w.figures().report_calls;
    tell(fail(errc::unavailable, "the worker was stopped before it was attached"));
}

} // namespace coppice::client
