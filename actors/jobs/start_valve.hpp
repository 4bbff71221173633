// How fast a node starts jobs, whatever it leads: as fast as there are slots, so many a second, or not at all. For
// an operator who brings a platform back with a backlog, or wants it to stand still for a while.
//
// In memory, of one node; shared by the machines of its shards. Any thread.
#pragma once

#include <atomic>
#include <mutex>

#include "actors/jobs/start_rate.hpp"
#include "schema/limits.hpp"

namespace coppice {

class start_valve {
  public:
    struct setting {
        bool closed = false;
        std::uint32_t per_second = 0; // 0: no bound
        bool operator==(const setting&) const = default;
    };

    start_valve() = default; // open
    explicit start_valve(setting first) { set(first); }

    void set(setting to) {
        const std::lock_guard lock(mutex_);
        setting_ = to;
        wide_open_ = to == setting{};
    }
    setting get() const {
        const std::lock_guard lock(mutex_);
        return setting_;
    }

    // When the next start may come, or when to ask again; not after `now`: at once.
    instant free_at(instant now) const {
        if (wide_open_) return never;
        const std::lock_guard lock(mutex_);
        return setting_.closed ? now + limits::closed_valve_look : meter_.free_at(rate());
    }
    void started(instant now) {
        if (wide_open_) return;
        const std::lock_guard lock(mutex_);
        meter_.started(rate(), now);
    }

  private:
    // A tenth of a second's starts may come together: a commit for each would be a waste.
    start_rate rate() const { return {setting_.per_second, milliseconds{1000}, setting_.per_second / 10 + 1}; }

    mutable std::mutex mutex_;
    std::atomic<bool> wide_open_{true};
    setting setting_;
    start_meter meter_;
};

} // namespace coppice
