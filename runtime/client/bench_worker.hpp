// The worker of the benches: no-op attempts by the fast path, in a thread and on a loop of its own.
#pragma once

#include <kj/async-io.h>

#include <chrono>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/client/bench_driver.hpp"
#include "runtime/client/worker.hpp"

namespace coppice::client {

class bench_worker {
  public:
    struct outcome {
        std::uint64_t report_calls = 0;
        std::vector<std::pair<job_id, std::chrono::steady_clock::time_point>> received; // when `timed`
    };

    bench_worker(const bench_options& load, bool timed);
    ~bench_worker() { stop(); }
    bench_worker(const bench_worker&) = delete;
    bench_worker& operator=(const bench_worker&) = delete;

    // Blocks until the node has taken it, or refused it.
    expected<void> wait_attached() { return attached_.get_future().get(); }
    // Drains, ends the thread; what it saw. The caller's thread.
    const outcome& stop();

  private:
    void run(const bench_options& load, bool timed);

    std::promise<expected<void>> attached_;
    std::promise<kj::Own<kj::CrossThreadPromiseFulfiller<void>>> stopper_;
    outcome outcome_; // the thread's until it has been joined
    std::thread thread_;
};

} // namespace coppice::client
