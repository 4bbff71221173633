// The way into a KJ event loop from other threads: work posted here runs on the loop's thread, in order.
//
// One wake a batch: the loop is woken only by the first post after it went to sleep, so a commit that answers a
// thousand calls costs one wake.
#pragma once

#include <functional>
#include <kj/async.h>
#include <mutex>
#include <vector>

namespace coppice {

class kj_inbox {
  public:
    using work = std::function<void()>;

    // Any thread. After `close`, work is dropped (and destroyed).
    void post(work w);
    // On the loop's thread: runs what is posted, for ever; ends with `close`.
    kj::Promise<void> run();
    void close();

  private:
    std::mutex lock_;
    std::vector<work> waiting_;
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> sleeper_;
    bool sleeping_ = false;
    bool closed_ = false;
};

} // namespace coppice
