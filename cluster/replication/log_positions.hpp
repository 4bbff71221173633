// Which epoch made which entry of a log, without the entries: enough to tell whether two logs agree. Pure.
//
// Intuition: a log is a few runs of entries, one a primary; so a million positions are a handful of numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace coppice {

// An entry's place: its index, and the epoch of the primary that made it. Two logs that agree on a position agree
// on everything before it. {0, 0} is the place before the first entry.
struct log_position {
    std::uint64_t index = 0;
    std::uint64_t epoch = 0;
    bool operator==(const log_position&) const = default;
};

class log_positions {
  public:
    // What is known up to `base`: that entry's own position, and nothing of those before.
    explicit log_positions(log_position base = {}) : base_(base), last_(base) {}

    log_position base() const { return base_; }
    log_position last() const { return last_; }

    // The next entry; its epoch is not below the last one's.
    void append(std::uint64_t epoch) {
        ++last_.index;
        if (epoch != last_.epoch || runs_.empty()) runs_.push_back({last_.index, epoch});
        last_.epoch = epoch;
    }
    // Forgets the entries after `index`, which is not below the base.
    void truncate_after(std::uint64_t index) {
        while (!runs_.empty() && runs_.back().first > index) runs_.pop_back();
        last_ = {index, epoch_at(index).value_or(base_.epoch)};
    }
    // Nothing when the index is before the base or beyond the last.
    std::optional<std::uint64_t> epoch_at(std::uint64_t index) const {
        if (index == base_.index) return base_.epoch;
        if (index < base_.index || (index > last_.index)) return std::nullopt;
        for (auto run = runs_.rbegin(); run != runs_.rend(); ++run)
            if (run->first <= index) return run->epoch;
        return std::nullopt;
    }
    bool holds(log_position p) const { return epoch_at(p.index) == p.epoch; }

  private:
    struct run {
        std::uint64_t first;
        std::uint64_t epoch;
    };
    log_position base_;
    log_position last_;
    std::vector<run> runs_; // after the base, in order
};

} // namespace coppice
