// What executors and the node say to each other about an attempt, whether a subprocess of the node or a remote
// worker runs it: an assignment goes out, reports come back. Plain values; whoever sends them owns them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/jobs/job_state.hpp"
#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

// A result whose bytes are in the result store (runtime/results), under the attempt that gave it.
struct stored_result {
    static constexpr std::size_t digest_size = 32;
    std::uint64_t size = 0;
    std::array<std::byte, digest_size> digest{}; // SHA-256
    bool operator==(const stored_result&) const = default;
};

// A job that this one waited for, and what it gave.
struct parent_result {
    job_id job;
    std::string type;
    std::string result;                     // bytes; empty when `truncated`
    bool truncated = false;                 // all parents' results together passed limits::parent_results_size_max
    job_state state = job_state::SUCCEEDED; // another one only when the job runs however its parents end
    std::uint32_t attempt = 0;              // that gave it
    std::optional<stored_result> stored;    // `result` is to be got from the result store yet
};

struct assignment {
    attempt_ref ref;
    tenant_id tenant_number{};
    std::string tenant;
    type_id type_number{};
    std::string type;
    std::string payload; // JSON
    std::vector<parent_result> parents;
    std::string checkpoint;  // bytes that an attempt before this one left; empty: none
    std::string traceparent; // of who submitted the job (W3C Trace Context); empty: none
    int priority = 3;
    milliseconds attempt_timeout{};   // from start; the node enforces it too
    milliseconds heartbeat_timeout{}; // 0: none asked for
    milliseconds cancel_grace{};
    std::uint64_t result_bytes_max = 0;
    std::uint32_t slots = 1; // of its worker, that it takes

    // What a result may have at most, for the tables take no more than so much.
    std::uint64_t result_bound(bool has_result_store) const {
        return has_result_store ? result_bytes_max
                                : std::min<std::uint64_t>(result_bytes_max, limits::result_size_max);
    }
};

enum class log_stream : std::uint8_t { out = 0, err = 1, system = 2 };

// `sequence` counts an attempt's lines from 0, so that their order is kept however they travel, and a gap shows.
struct log_line {
    std::uint64_t sequence = 0;
    instant at = never;
    log_stream stream = log_stream::err;
    std::string text; // UTF-8, without the newline, at most limits::log_line_size_max
};

struct progress {
    double fraction = 0; // 0..1
    std::string text;    // one line
};

enum class outcome_kind : std::uint8_t {
    succeeded = 0,
    failed = 1,    // the work failed: counted as a try; retried as the type says
    cancelled = 2, // it stopped because it was told to
    lost = 3,      // the process that ran it is gone: not counted as a try, tried again at once
};

struct attempt_outcome {
    outcome_kind kind = outcome_kind::succeeded;
    std::string result;                      // bytes, when succeeded
    std::optional<stored_result> stored;     // ... or where they are
    failure error;                           // otherwise
    bool permanent = false;                  // failed: do not try again
    std::optional<milliseconds> retry_after; // failed: try again then, instead of the type's backoff
};

// Everything in one report is one command. An outcome ends the attempt.
struct attempt_report {
    attempt_ref ref;
    std::vector<log_line> logs;
    std::optional<progress> latest_progress;
    std::optional<attempt_outcome> outcome;
    std::string checkpoint; // bytes, kept for the next attempt instead of the last one; empty: none
};

} // namespace coppice
