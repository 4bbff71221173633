// A client that submits one job after the other, from a thread of its own, and knows what came of it.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/client/options.hpp"
#include "schema/ids.hpp"

namespace coppice::bench {

class steady_submits {
  public:
    explicit steady_submits(client::options where);
    ~steady_submits() { stop(); }
    void stop();
    // Waits until so many more are acknowledged; false: not within half a minute.
    bool more(std::size_t count) const;
    std::vector<job_id> acknowledged() const;
    std::size_t refused() const { return refused_; }
    std::string first_refusal() const; // in words; empty: none was refused
    double longest_gap_ms() const;     // between two acknowledgements

  private:
    void loop(const client::options& where);

    mutable std::mutex mutex_;
    std::vector<job_id> acknowledged_;
    std::chrono::steady_clock::time_point last_{};
    double longest_gap_ms_ = 0;
    std::string first_refusal_;
    std::atomic<std::size_t> refused_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace coppice::bench
