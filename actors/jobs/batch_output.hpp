// What a batch gave: a result for every command, and what the actors must do once the batch is committed. Nothing
// in here may be acted on before that (rule 3).
#pragma once

#include <string>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "actors/jobs/job_state.hpp"
#include "actors/jobs/job_type_spec.hpp"

namespace coppice {

struct command_result {
    errc code = errc::ok;
    bool existing = false;            // submit: the idempotency key was known
    std::uint32_t retry_after_ms = 0; // with overloaded and the like
    job_id job;                       // submit
    std::string detail;
};

inline void set_answer(command_result& result, errc code, std::string detail) {
    result.code = code;
    result.detail = std::move(detail);
}

struct start_effect {
    worker_id worker;
    executor_kind executor = executor_kind::worker;
    instant queued_at = never; // for the scheduling latency
    instant started_at = never;
    assignment work;
};

// An attempt is over.
struct end_effect {
    attempt_ref ref;
    worker_id worker;
    tenant_id tenant;
    type_id type;
    job_state state = job_state::QUEUED; // what the job became
    errc code = errc::ok;
    bool revoke = false; // the executor didn't say so itself: tell it that the attempt is not its own any more
    outcome_kind outcome = outcome_kind::failed; // of the attempt, as it was counted
    instant started_at = never;
    instant ended_at = never;
};

struct cancel_effect {
    attempt_ref ref;
    worker_id worker;
    tenant_id tenant;
    milliseconds grace{};
};

// An attempt goes on under another session of its worker.
struct adopt_effect {
    attempt_ref ref;
    worker_id worker;
};

// A job changed: for watchers and counters. `from` is absent for a new job.
struct change_effect {
    job_id job;
    type_id type;
    std::optional<job_state> from;
    job_state to = job_state::QUEUED;
    std::uint64_t revision = 0;
};

// The attempt's lines before `below` are more than the tables are to keep: the result store may have them.
struct store_lines_effect {
    attempt_ref ref;
    std::uint64_t below = 0; // a sequence
};

// They are there now: those before `below`, which take so many bytes there.
struct stored_lines {
    std::uint64_t below = 0;
    std::uint64_t bytes = 0;
};

// A job that had ended is there no longer.
struct erase_effect {
    tenant_id tenant;
    job_state was = job_state::SUCCEEDED;
};

struct batch_output {
    std::vector<command_result> results; // one a command, in order, over all entries of the batch
    std::vector<start_effect> starts;
    std::vector<end_effect> ends;
    std::vector<cancel_effect> cancels;
    std::vector<adopt_effect> adopts;
    std::vector<change_effect> changes;
    std::vector<erase_effect> erased;
    std::vector<attempt_ref> dropped_results; // in the result store; nothing names them any more
    std::vector<store_lines_effect> lines_to_store;
    std::vector<job_id> dropped_lines; // jobs whose lines there nothing names any more
    std::uint64_t stale_reports = 0;
    std::uint64_t newest_event = 0; // sequence of the newest row of the event feed, 0: none yet
    bool starts_left = false;       // planning stopped at its bound; plan again soon

    // Whether a shard's actor has something to carry out.
    bool asks_for_something() const {
        return !(starts.empty() && ends.empty() && cancels.empty() && adopts.empty() && dropped_results.empty() &&
                 lines_to_store.empty() && dropped_lines.empty());
    }
    void clear() { *this = batch_output{}; }
};

} // namespace coppice
