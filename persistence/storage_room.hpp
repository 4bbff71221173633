// Whether there is room for new work: below the reserve's line of the map, and the disk not known to be full.
//
// After a refusal (storage_full) the answer is no until a probe of the disk says otherwise; probes are spaced by
// limits::storage_probe_interval, and after limits::storage_distrust_max the next commit is the probe, because a
// quota or a file size limit shows in no probe. So the answer can neither stick nor cost.
// Reads no clock and no disk: both come in. Not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "schema/limits.hpp"

namespace coppice {

class storage_room {
  public:
    using time = std::chrono::steady_clock::time_point;

    explicit storage_room(std::uint64_t map_bytes)
        : line_bytes_(
              static_cast<std::uint64_t>(static_cast<double>(map_bytes) * (1.0 - limits::storage_reserve_part))),
          disk_room_(std::min<std::uint64_t>(limits::storage_disk_room, map_bytes - line_bytes_)) {}

    void taken() { refused_ = false; }
    void refused(time now) {
        refused_ = true;
        refused_at_ = probed_at_ = now;
    }
    // `disk_free` is a function that gives the free bytes of the disk; called only when a probe is due.
    template <class DiskFree>
    bool disk_is_trusted(time now, DiskFree&& disk_free) {
        if (!refused_) return true;
        if (now - probed_at_ < limits::storage_probe_interval) return false;
        probed_at_ = now;
        if (now - refused_at_ < limits::storage_distrust_max && disk_free() < disk_room_) return false;
        refused_ = false;
        return true;
    }
    bool below_line(std::uint64_t used_bytes) const { return used_bytes < line_bytes_; }

  private:
    std::uint64_t line_bytes_;
    std::uint64_t disk_room_;
    bool refused_ = false;
    time refused_at_{};
    time probed_at_{};
};

} // namespace coppice
