// SIGINT as a promise: for waits that must say what they leave behind when the person at the terminal has enough.
#pragma once

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include <csignal>
#include <optional>

namespace coppice::cli {

// From here on SIGINT no longer ends the process; whoever made this runs the loop and listens. At most one at a
// time, made while the process has one thread.
class interrupt_watch {
  public:
    explicit interrupt_watch(kj::AsyncIoContext& io) : signal_(captured(io).fork()) {}

    // Resolves at the first SIGINT, now or long ago.
    kj::Promise<void> arrived() { return signal_.addBranch(); }

    // What `work` gives, or nothing when SIGINT came first; `work` is then dropped.
    template <class T>
    kj::Promise<std::optional<T>> or_interrupted(kj::Promise<T> work) {
        return work.then([](T&& value) { return std::optional<T>(kj::mv(value)); })
            .exclusiveJoin(arrived().then([] { return std::optional<T>(); }));
    }

  private:
    static kj::Promise<void> captured(kj::AsyncIoContext& io) {
        kj::UnixEventPort::captureSignal(SIGINT);
        return io.unixEventPort.onSignal(SIGINT).ignoreResult();
    }
    kj::ForkedPromise<void> signal_;
};

} // namespace coppice::cli
