// What a document of kind JobType declares: who runs it, with what, and within which bounds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

enum class executor_kind : std::uint8_t { worker = 0, exec = 1 };

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

struct job_type_spec {
    std::string name;
    executor_kind executor = executor_kind::worker;
    std::vector<std::string> argv; // exec: the program and its arguments; an element "{{field}}" is replaced by the
                                   // payload's string, number or boolean of that name, as one argument
    bool argv_from_payload = false; // only the development type has it: argv and stdin come with the payload
    std::string schema;             // JSON Schema, as JSON text; empty: any payload
    std::uint32_t attempts_max = limits::attempts_default;
    retry_spec retry;
    timeouts_spec timeouts;
    std::uint64_t result_bytes_max = 256 * 1024;
    std::uint32_t running_max = 0; // jobs of this type running at a time, over all tenants; 0: no bound

    bool operator==(const job_type_spec&) const = default;
};

} // namespace coppice
