// The promise: a remote worker runs 100,000 no-op attempts a second on half of a two-core machine, that is, at less
// than 10 us of its thread's time for an attempt, everything included: TCP, Cap'n Proto, handler, report, answer.
//
// The other half is a stand-in for the node, in a thread of its own: it keeps `slots` attempts assigned, in
// batches, and answers every report at once. So what is measured is the client alone. Arguments: attempts, slots,
// batch.
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <pthread.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <future>
#include <thread>

#include "runtime/client/wire.hpp"
#include "runtime/client/worker.hpp"
#include "schema/api.capnp.h"

namespace {

using namespace coppice;

struct load {
    std::uint64_t attempts = 1'000'000;
    std::uint32_t slots = 10'000;
    std::uint32_t batch = 500;
};

struct feeder {
    const load& wanted;
    std::uint64_t assigned = 0;
    std::uint64_t reported = 0;
    api::Worker::Client worker = nullptr;
    kj::Own<kj::PromiseFulfiller<void>> done;
    std::chrono::steady_clock::time_point begin{};

    void fill(kj::TaskSet& calls) {
        while (assigned < wanted.attempts && assigned - reported + wanted.batch <= wanted.slots) {
            auto request = worker.assignRequest();
            auto list = request.initAssignments(wanted.batch);
            for (auto to : list) {
                client::write(to.initRef(), {job_id::make(1, shard_id{1}, tenant_id{1}, ++assigned), 1});
                to.setTenant("default");
                to.setType("noop");
                to.setPayload(client::as_data("{\"n\":1}"));
                to.setPriority(3);
                to.setAttemptTimeoutMs(3'600'000);
                to.setResultBytesMax(1024);
            }
            calls.add(request.send().ignoreResult());
        }
    }
};

struct ignore final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
};

class session final : public api::WorkerSession::Server {
  public:
    session(feeder& f, kj::TaskSet& calls) : feeder_(f), calls_(calls) {}

  protected:
    kj::Promise<void> report(ReportContext context) override {
        const auto count = context.getParams().getReports().size();
        context.getResults().initResults(count);
        feeder_.reported += count;
        feeder_.fill(calls_);
        if (feeder_.reported >= feeder_.wanted.attempts) feeder_.done->fulfill();
        return kj::READY_NOW;
    }
    kj::Promise<void> heartbeat(HeartbeatContext) override { return kj::READY_NOW; }
    kj::Promise<void> drain(DrainContext) override { return kj::READY_NOW; }

  private:
    feeder& feeder_;
    kj::TaskSet& calls_;
};

class workers final : public api::WorkerService::Server {
  public:
    workers(feeder& f, kj::TaskSet& calls) : feeder_(f), calls_(calls) {}

  protected:
    kj::Promise<void> attach(AttachContext context) override {
        feeder_.worker = context.getParams().getWorker();
        context.getResults().setSession(kj::heap<session>(feeder_, calls_));
        context.getResults().setSilenceMaxMs(15'000);
        feeder_.begin = std::chrono::steady_clock::now();
        feeder_.fill(calls_);
        return kj::READY_NOW;
    }

  private:
    feeder& feeder_;
    kj::TaskSet& calls_;
};

class gate final : public api::Gate::Server {
  public:
    gate(feeder& f, kj::TaskSet& calls) : feeder_(f), calls_(calls) {}

  protected:
    kj::Promise<void> login(LoginContext context) override {
        context.getResults().initGrant().setWorkers(kj::heap<workers>(feeder_, calls_));
        return kj::READY_NOW;
    }

  private:
    feeder& feeder_;
    kj::TaskSet& calls_;
};

double thread_seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// Runs a worker until told; its thread's CPU time.
double work(const load& wanted, unsigned port,
            std::promise<kj::Own<kj::CrossThreadPromiseFulfiller<void>>>& stopper) {
    auto io = kj::setupAsyncIo();
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    stopper.set_value(kj::mv(stop.fulfiller));
    client::options where;
    where.server = "127.0.0.1:" + std::to_string(port);
    client::worker w(io, where, {.name = "bench", .types = {"noop"}, .slots = wanted.slots},
                     client::ready_handler{[](const assignment&) { return attempt_outcome{}; }});
    auto running = w.run().ignoreResult();
    const double before = thread_seconds();
    stop.promise.exclusiveJoin(kj::mv(running)).wait(io.waitScope);
    const auto f = w.figures();
    std::printf("report calls %llu, attempts a call %.0f\n", static_cast<unsigned long long>(f.report_calls),
                static_cast<double>(f.assigned) / static_cast<double>(f.report_calls));
    return thread_seconds() - before;
}

} // namespace

int main(int argc, char** argv) {
    load wanted;
    if (argc > 1) wanted.attempts = std::strtoull(argv[1], nullptr, 10);
    if (argc > 2) wanted.slots = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    if (argc > 3) wanted.batch = static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10));
    if (wanted.batch == 0 || wanted.slots < wanted.batch) return std::fprintf(stderr, "slots >= batch > 0\n"), 2;
    wanted.attempts = (wanted.attempts / wanted.batch + 1) * wanted.batch;

    auto io = kj::setupAsyncIo();
    ignore ignored;
    kj::TaskSet calls(ignored);
    auto done = kj::newPromiseAndFulfiller<void>();
    feeder f{.wanted = wanted, .done = kj::mv(done.fulfiller)};
    capnp::TwoPartyServer server(kj::heap<gate>(f, calls));
    auto listener = io.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io.waitScope)->listen();
    auto listening = server.listen(*listener).eagerlyEvaluate(nullptr);

    std::promise<kj::Own<kj::CrossThreadPromiseFulfiller<void>>> stopper;
    double worker_seconds = 0;
    std::thread thread([&, port = listener->getPort()] { worker_seconds = work(wanted, port, stopper); });
    done.promise.wait(io.waitScope);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - f.begin;
    stopper.get_future().get()->fulfill();
    thread.join();
    const auto attempts = static_cast<double>(wanted.attempts);
    std::printf("%.0f attempts in %.2f s: %.0f a second; worker %.2f us of CPU each (%.0f a second on one core)\n",
                attempts, took.count(), attempts / took.count(), worker_seconds * 1e6 / attempts,
                attempts / worker_seconds);
    f.worker = nullptr;
}
