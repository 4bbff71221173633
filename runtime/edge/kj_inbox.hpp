// The way into a KJ event loop from other threads: work posted here runs on the loop's thread, in order.
//
// One wake a batch: the loop is woken only by the first post after it went to sleep, so a commit that answers a
// thousand calls costs one wake.
//
// What work holds (fulfillers, capabilities) may end on the loop's thread only, while that thread lives. So after
// `close` work is kept, not run, until `loop_is_gone` ends it.
#pragma once

#include <functional>
#include <kj/async.h>
#include <mutex>
#include <vector>

namespace coppice {

class kj_inbox {
  public:
    using work = std::function<void()>;

    // Any thread.
    void post(work w);
    // On the loop's thread: runs what is posted, for ever; ends with `close`.
    kj::Promise<void> run();
    void close();
    // By whoever has joined the loop's thread.
    void loop_is_gone();

  private:
    std::mutex lock_;
    std::vector<work> waiting_;
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> sleeper_;
    bool sleeping_ = false;
    enum class stage { open, closed, gone } stage_ = stage::open;
};

} // namespace coppice
