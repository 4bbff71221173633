// What a document of kind JobType declares: who runs it, with what, and within which bounds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/jobs/job_state.hpp"
#include "actors/jobs/start_rate.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

enum class executor_kind : std::uint8_t { worker = 0, exec = 1, http = 2 };

// Whether a node's own executor runs it.
inline bool runs_on_nodes(executor_kind kind) { return kind != executor_kind::worker; }

struct retry_spec {
    milliseconds base = limits::retry_base_default; // delay of try n: uniform in [0, min(max, base * 2^(n-1))]
    milliseconds max = limits::retry_max_default;
    bool operator==(const retry_spec&) const = default;
};

// 0 means "none" but for `attempt`, which always has a bound.
struct timeouts_spec {
    milliseconds queued{};                                  // queued to start
    milliseconds attempt = limits::attempt_timeout_default; // start to end of one attempt
    milliseconds job{};                                     // submission to end, all attempts together
    milliseconds heartbeat{};                               // longest silence of a running attempt
    milliseconds cancel_grace = limits::cancel_grace_default;
    bool operator==(const timeouts_spec&) const = default;
};

// Bounds for each value of one field of the payload, within a tenant. Payloads without the field share a value of
// their own.
struct concurrency_spec {
    std::string by;                // a name, for a field of the payload's top level; empty: none of this
    std::uint32_t running_max = 0; // 0: no bound
    start_rate rate;
    bool operator==(const concurrency_spec&) const = default;
};

// A job like one that is there already is not made: the one that is there answers.
struct unique_spec {
    std::vector<std::string> by; // top-level fields of the payload that make jobs alike; none: the whole of it
    std::vector<job_state> states{job_state::BLOCKED, job_state::SCHEDULED, job_state::QUEUED, job_state::RUNNING};
    milliseconds period{}; // after the first one's submission; 0: as long as it is in one of the states
    bool operator==(const unique_spec&) const = default;
};

// Whether a job is for the worker that ran the last one with the same concurrency.by: its key's home.
enum class stickiness : std::uint8_t {
    none,
    soft, // before all others, if it has a slot
    hard, // for it alone, as long as it is attached and takes work
};

// Which workers are to run it, by the labels that they attach with.
struct workers_spec {
    std::vector<std::string> require; // all of these
    std::vector<std::string> prefer;  // of those that could, the ones with more of these come first
    stickiness sticky = stickiness::none;
    bool operator==(const workers_spec&) const = default;
};

// What is kept of an attempt's log: the newest lines, and where the node has a result store, older ones there.
struct logs_spec {
    std::uint32_t lines = limits::log_lines_per_attempt_max;
    std::uint64_t bytes = 0;  // of their texts together; 0: no bound
    std::uint64_t stored = 0; // bytes of older ones that go to the result store; 0: they are dropped
    bool operator==(const logs_spec&) const = default;
};

// What is asked for an attempt. Nothing of the payload gets into it but as the body.
struct http_spec {
    std::string url;             // http or https
    std::string method = "POST"; // PUT, PATCH; GET and DELETE send no body
    std::vector<std::pair<std::string, std::string>> headers;
    bool private_networks = false; // may go to addresses that are not public
    bool operator==(const http_spec&) const = default;
};

struct job_type_spec {
    std::string name;
    executor_kind executor = executor_kind::worker;
    std::vector<std::string> argv; // exec: the program and its arguments; an element "{{field}}" is replaced by the
                                   // payload's string, number or boolean of that name, as one argument
    bool argv_from_payload = false; // only the development type has it: argv and stdin come with the payload
    http_spec http;                 // executor http
    std::string schema;             // JSON Schema, as JSON text; empty: any payload
    std::uint32_t attempts_max = limits::attempts_default;
    retry_spec retry;
    timeouts_spec timeouts;
    std::uint64_t result_bytes_max = 256 * 1024;
    std::uint32_t running_max = 0; // jobs of this type running at a time, over all tenants; 0: no bound
    concurrency_spec concurrency;
    workers_spec workers;    // executor worker
    std::uint32_t slots = 1; // of one worker or node, that a job takes while it runs
    logs_spec logs;
    std::optional<unique_spec> unique;
    bool paused = false; // nothing of it starts; what runs goes on

    bool operator==(const job_type_spec&) const = default;
};

} // namespace coppice
