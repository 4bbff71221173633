#include "bench/node/first_start.hpp"

#include "runtime/client/worker.hpp"

namespace coppice::bench {

first_start::first_start(client::options where)
    : thread_([this, where = std::move(where)]() mutable { run(std::move(where)); }) {}

first_start::~first_start() {
    stopper_.get_future().get()->fulfill();
    thread_.join();
}

expected<steady::time_point> first_start::wait(milliseconds patience) {
    if (when_.wait_for(patience) != std::future_status::ready)
        return fail(errc::unavailable, "no job was started in time");
    return when_.get();
}

void first_start::run(client::options where) {
    where.backoff_min = milliseconds{1};
    where.backoff_max = milliseconds{2};
    auto io = kj::setupAsyncIo();
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    stopper_.set_value(kj::mv(stop.fulfiller));
    client::worker worker(io, std::move(where), {.name = "first", .types = {idle_type}, .slots = 1},
                          client::promise_handler{[](const assignment&, client::attempt_context&) {
                              return kj::Promise<attempt_outcome>(kj::NEVER_DONE);
                          }});
    bool told = false;
    worker.on_assigned([&](const assignment&) {
        if (!std::exchange(told, true)) started_.set_value(steady::now());
    });
    auto running = worker.run().then([](expected<void>) {}).eagerlyEvaluate(nullptr);
    stop.promise.wait(io.waitScope);
}

} // namespace coppice::bench
