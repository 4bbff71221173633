// Which endpoint is asked next: the one that answered last, and after a failure the one after it. An endpoint that
// fails is left alone for a time that doubles, with jitter; when all are left alone, the caller waits for the
// first. Pure: time comes in.
#pragma once

#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

#include "schema/time.hpp"

namespace coppice {

class etcd_endpoints {
  public:
    using time_point = std::chrono::steady_clock::time_point;
    struct choice {
        std::size_t index = 0;
        milliseconds wait{0}; // before it may be asked
    };

    // `count` at least 1.
    etcd_endpoints(std::size_t count, std::uint64_t seed) : states_(count), random_(seed) {}

    choice pick(time_point now) const;
    void worked(std::size_t index);
    // Counts once for all that failed while it is being left alone.
    void failed(std::size_t index, time_point now);

  private:
    struct state {
        unsigned failures = 0;
        time_point not_before{};
    };
    std::vector<state> states_;
    std::size_t current_ = 0;
    std::mt19937_64 random_;
};

// From half of to the whole of base * 2^(failures - 1), at most limits::control_backoff_max.
milliseconds control_backoff(unsigned failures, std::mt19937_64& random);

} // namespace coppice
