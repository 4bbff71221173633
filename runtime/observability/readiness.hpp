// Whether the node should be given work (/readyz): it is not stopping, its store has room, and its journal commits.
//
// A journal that hangs shows between two looks: proposals wait, and since the look before nothing was committed. So
// a prober that asks now and then is all the clockwork there is, and a node that nobody asks pays nothing.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "actors/journal/proposal.hpp"
#include "persistence/tables.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

class readiness {
  public:
    using time = std::chrono::steady_clock::time_point;

    // `data` outlives it.
    readiness(store& data, std::shared_ptr<const inflight_gate> gate,
              std::function<time()> clock = std::chrono::steady_clock::now)
        : data_(data), gate_(std::move(gate)), clock_(std::move(clock)) {}

    // The journal's thread, after each commit.
    void committed() { commits_.fetch_add(1, std::memory_order_relaxed); }
    // Any thread: the node is on its way down.
    void stopping() { stopping_ = true; }
    // Any thread.
    health_answer judge();

  private:
    store& data_;
    std::shared_ptr<const inflight_gate> gate_;
    std::function<time()> clock_;
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<bool> stopping_{false};

    std::mutex looking_; // and what the last look saw:
    std::uint64_t commits_seen_ = 0;
    std::optional<time> waiting_since_; // proposals wait, and nothing was committed since then
};

} // namespace coppice
