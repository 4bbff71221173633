// The lifecycle of a job: one table of states and moves. An illegal move is refused by `apply` with
// illegal_transition, never made.
//
//     submit --> blocked --> scheduled --> queued --> running --> succeeded
//        |          |            ^  |         ^  |        |  \--> failed      (dead letter)
//        |          +------------|--+---------|--+--------|-----> cancelled
//        |                       +------------+-----------+ retry: scheduled; lost: queued
//        +--> rejected                                       (whoever waits too long: failed)
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "schema/records.capnp.h"

namespace coppice {

using job_state = rec::State;
inline constexpr std::size_t job_state_count = 8;
inline constexpr std::array all_job_states{job_state::BLOCKED,   job_state::SCHEDULED, job_state::QUEUED,
                                           job_state::RUNNING,   job_state::SUCCEEDED, job_state::FAILED,
                                           job_state::CANCELLED, job_state::REJECTED};

inline std::size_t index_of(job_state s) { return static_cast<std::size_t>(s); }
inline bool is_known(job_state s) { return index_of(s) < job_state_count; }

// The word for a state, as people and programs see it; empty for a number that is none.
std::string_view to_string(job_state s);
std::optional<job_state> job_state_from(std::string_view word);

// Ended; never changes again.
bool is_terminal(job_state s);
// Holds a place in the tenant's queue depth: not yet running and not ended.
bool is_waiting(job_state s);
bool may_start_in(job_state s);
bool may_move(job_state from, job_state to);

} // namespace coppice
