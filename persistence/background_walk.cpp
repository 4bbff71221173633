#include "persistence/background_walk.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace coppice {
namespace {

constexpr int low_priority = 10;

} // namespace

background_walk::background_walk(milliseconds every, milliseconds first, walk_function walk,
                                 unreadable_function unreadable)
    : walk_(std::move(walk)), unreadable_(std::move(unreadable)) {
    if (every.count() > 0) thread_ = std::thread([this, every, first] { run(every, first); });
}

background_walk::~background_walk() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void background_walk::run(milliseconds every, milliseconds first) {
    ::setpriority(PRIO_PROCESS, 0, low_priority); // on Linux: of this thread
    std::unique_lock lock(mutex_);
    for (milliseconds wait = std::min(every, first);; wait = every) {
        if (wake_.wait_for(lock, wait, [this] { return stop_.load(); })) return;
        lock.unlock();
        try {
            walk_(stop_);
        } catch (const std::exception& e) {
            unreadable_(e.what());
        }
        lock.lock();
    }
}

} // namespace coppice
