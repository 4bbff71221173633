// How long to wait before the next try: exponential, with full jitter (Brooker, "Exponential Backoff And Jitter",
// AWS Architecture Blog, 2015), so that a thousand clients of a restarted node do not come back as one.
//
// Pure: randomness comes in. Invariants: a wait is never above `max`; the ceiling doubles with every failure from
// `min` and starts anew with `reset`.
#pragma once

#include <algorithm>
#include <cstdint>

#include "schema/time.hpp"

namespace coppice::client {

class backoff {
  public:
    backoff(milliseconds min, milliseconds max) : min_(min), max_(max), ceiling_(min) {}

    // `random`: uniform over all of its range.
    milliseconds next(std::uint64_t random) {
        const auto span = static_cast<std::uint64_t>(ceiling_.count()) + 1;
        ceiling_ = std::min(max_, ceiling_ * 2);
        return milliseconds{static_cast<std::int64_t>(random % span)};
    }
    void reset() { ceiling_ = min_; }
    milliseconds ceiling() const { return ceiling_; }

  private:
    milliseconds min_;
    milliseconds max_;
    milliseconds ceiling_;
};

} // namespace coppice::client
