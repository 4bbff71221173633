// What calls of the control store cost, for the metrics: counted by the store's thread, read by any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace coppice {

struct control_meter {
    std::atomic<std::uint64_t> calls{0};    // that were answered
    std::atomic<std::uint64_t> failed{0};   // of those: without an answer of the store's
    std::atomic<std::uint64_t> total_us{0}; // from the call to its answer, tries at other endpoints included

    void answered(std::chrono::steady_clock::duration took, bool well) {
        calls.fetch_add(1, std::memory_order_relaxed);
        if (!well) failed.fetch_add(1, std::memory_order_relaxed);
        const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
        total_us.fetch_add(static_cast<std::uint64_t>(us), std::memory_order_relaxed);
    }
};

} // namespace coppice
