// Looks through what is stored every so often, on a thread of its own that has low priority.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>

#include "schema/time.hpp"

namespace coppice {

class background_walk {
  public:
    // `walk` is given what becomes true when it is to end early. An exception of it means that the store cannot be
    // read now, for its disk failed: `unreadable` is told why, and the next walk tries again.
    using walk_function = std::function<void(const std::atomic<bool>& stop)>;
    using unreadable_function = std::function<void(std::string_view why)>;

    // `every` 0: never. The first is after the shorter of the two.
    background_walk(milliseconds every, milliseconds first, walk_function walk, unreadable_function unreadable);
    // Ends a walk that is under way.
    ~background_walk();
    background_walk(const background_walk&) = delete;
    background_walk& operator=(const background_walk&) = delete;

  private:
    void run(milliseconds every, milliseconds first);

    const walk_function walk_;
    const unreadable_function unreadable_;
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::thread thread_; // last: it uses the others
};

} // namespace coppice
