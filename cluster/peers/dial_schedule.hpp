// When a peer may be tried again. Pure. Failures double the wait, half of it at random; a link that soon ends is a
// flap, and after many in a row the peer is left alone for longer. The caller never asks in a loop: it compares
// `next` with the time at each tick.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

#include "cluster/peers/peer_types.hpp"

namespace coppice {

using peer_time = std::chrono::steady_clock::time_point;

struct dial_schedule {
    peer_time next{};           // not before
    std::uint32_t failures = 0; // in a row, flaps among them
    std::uint32_t flaps = 0;    // in a row
    bool resting = false;       // left alone after flaps_max flaps

    void failed(peer_time now, const peer_limits& limits, std::mt19937_64& random) {
        using std::chrono::milliseconds;
        const auto doubled = limits.backoff_min * (std::int64_t{1} << std::min<std::uint32_t>(failures, 16));
        const auto longest = std::min(milliseconds{doubled}, limits.backoff_max);
        std::uniform_int_distribution<std::int64_t> jitter(longest.count() / 2, longest.count());
        next = std::max(next, now + milliseconds{jitter(random)});
        ++failures;
    }
    void ended(peer_time now, peer_time up_since, const peer_limits& limits, std::mt19937_64& random) {
        if (now - up_since >= limits.stable_after) {
            failures = flaps = 0;
        } else if (++flaps >= limits.flaps_max) {
            next = now + limits.flap_backoff;
            flaps = 0;
            resting = true;
        }
        failed(now, limits, random);
    }
};

} // namespace coppice
