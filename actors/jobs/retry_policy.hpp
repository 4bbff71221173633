// When a failed attempt is tried again: exponential backoff with full jitter (M. Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015): uniform in [0, min(max, base * 2^(tries-1))].
#pragma once

#include <cstdint>

#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

// The upper end of the delay after try number `tries` (1 is the first).
inline milliseconds backoff_ceiling(milliseconds base, milliseconds max, std::uint32_t tries) {
    const std::uint32_t doublings = tries == 0 ? 0 : tries - 1;
    if (doublings >= 32 || base.count() > (max.count() >> doublings)) return max;
    return milliseconds{base.count() << doublings};
}

// How long a job waits whose attempts were lost with their worker `lost` times. Workers are few and die seldom, so
// the first times it goes to another at once; a job that loses every attempt is waited with, so that a fault of
// ours or of the network, which may take a minute, does not use up limits::attempts_lost_max in one.
inline milliseconds lost_pause(std::uint32_t lost) {
    constexpr std::uint32_t at_once = 2;
    if (lost <= at_once) return milliseconds{0};
    return backoff_ceiling(milliseconds{100}, milliseconds{10'000}, lost - at_once);
}

// `random`: any 64 bits.
inline milliseconds full_jitter(milliseconds ceiling, std::uint64_t random) {
    if (ceiling.count() <= 0) return milliseconds{0};
    return milliseconds{static_cast<std::int64_t>(random % (static_cast<std::uint64_t>(ceiling.count()) + 1))};
}

// 64 well-mixed bits that every replica computes alike: the "random" of an attempt's jitter (SplitMix64 finalizer,
// Steele et al., OOPSLA 2014).
inline std::uint64_t attempt_random(const job_id& id, std::uint32_t attempt) {
    std::uint64_t z = id.low() ^ (id.high() << 1) ^ (std::uint64_t{attempt} * 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

} // namespace coppice
