// Starts in a time, metered by the generic cell rate algorithm (ITU-T I.371, as a virtual schedule): one number a
// meter, the time at which the next start would come if all came evenly. A start may come `burst - 1` intervals
// before that. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "schema/time.hpp"

namespace coppice {

struct start_rate {
    std::uint32_t starts = 0; // 0: no bound
    milliseconds per{1000};
    std::uint32_t burst = 1; // starts that may come at once after a pause

    bool bounds() const { return starts > 0; }
    microseconds interval() const {
        return std::max(microseconds{1}, std::chrono::duration_cast<microseconds>(per) / std::max(starts, 1U));
    }
    bool operator==(const start_rate&) const = default;
};

class start_meter {
  public:
    // When the next start may come. One that was metered by a slower rate is held by the present one alone.
    instant free_at(const start_rate& r) const {
        if (!r.bounds()) return never;
        const microseconds interval = r.interval();
        return std::min(even_ - interval * (std::max(r.burst, 1U) - 1), last_ + interval);
    }
    // From when on it is as if nothing had started.
    instant rested_at(const start_rate& r) const { return r.bounds() ? even_ : never; }
    void started(const start_rate& r, instant now) {
        if (!r.bounds()) return;
        even_ = std::max(even_, now) + r.interval();
        last_ = now;
    }

  private:
    instant even_ = never;
    instant last_ = never;
};

} // namespace coppice
