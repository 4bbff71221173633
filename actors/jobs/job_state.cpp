#include "actors/jobs/job_state.hpp"

#include <algorithm>
#include <cstdint>

namespace coppice {
namespace {

using S = job_state;

constexpr std::uint8_t bit(S s) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(s)); }

// Row: from. Bits: to.
constexpr std::array<std::uint8_t, job_state_count> moves{
    /* blocked   */ bit(S::SCHEDULED) | bit(S::QUEUED) | bit(S::FAILED) | bit(S::CANCELLED),
    /* scheduled */ bit(S::QUEUED) | bit(S::FAILED) | bit(S::CANCELLED),
    /* queued    */ bit(S::RUNNING) | bit(S::FAILED) | bit(S::CANCELLED),
    /* running   */ bit(S::SUCCEEDED) | bit(S::FAILED) | bit(S::CANCELLED) | bit(S::SCHEDULED) | bit(S::QUEUED),
    /* succeeded */ 0,
    /* failed    */ 0,
    /* cancelled */ 0,
    /* rejected  */ 0,
};
constexpr std::uint8_t starts = bit(S::BLOCKED) | bit(S::SCHEDULED) | bit(S::QUEUED) | bit(S::REJECTED);
constexpr std::uint8_t waiting = bit(S::BLOCKED) | bit(S::SCHEDULED) | bit(S::QUEUED);

constexpr std::array<std::string_view, job_state_count> words{"blocked",   "scheduled", "queued",    "running",
                                                              "succeeded", "failed",    "cancelled", "rejected"};

} // namespace

std::string_view to_string(job_state s) { return is_known(s) ? words[index_of(s)] : std::string_view{}; }

std::optional<job_state> job_state_from(std::string_view word) {
    const auto* found = std::ranges::find(words, word);
    if (found == words.end()) return std::nullopt;
    return static_cast<job_state>(found - words.begin());
}

bool is_terminal(job_state s) { return is_known(s) && moves[index_of(s)] == 0; }
bool is_waiting(job_state s) { return is_known(s) && (waiting & bit(s)) != 0; }
bool may_start_in(job_state s) { return is_known(s) && (starts & bit(s)) != 0; }
bool may_move(job_state from, job_state to) {
    return is_known(from) && is_known(to) && (moves[index_of(from)] & bit(to)) != 0;
}

} // namespace coppice
