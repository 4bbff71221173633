// A worker that waits for its first assignment: when did a node, restarted, start a job again?
#pragma once

#include <kj/async-io.h>

#include <future>
#include <thread>

#include "bench/node/node_under_test.hpp"

namespace coppice::bench {

// In a thread and on a loop of its own. It tries to attach every 2 ms at the most, so that its own patience is
// no part of what is measured; its one attempt never ends.
class first_start {
  public:
    explicit first_start(client::options where);
    ~first_start();
    first_start(const first_start&) = delete;
    first_start& operator=(const first_start&) = delete;

    // Blocks until the first assignment was here, or for `patience`.
    expected<steady::time_point> wait(milliseconds patience);

  private:
    void run(client::options where);

    std::promise<steady::time_point> started_;
    std::future<steady::time_point> when_ = started_.get_future();
    std::promise<kj::Own<kj::CrossThreadPromiseFulfiller<void>>> stopper_;
    std::thread thread_;
};

} // namespace coppice::bench
