// The catalogue of errors: one row an error, with its stable name, the sentence that a person reads, its HTTP
// status and whether a client may try the same call again. Every refusal anywhere in Coppice is one of these, with
// a detail that names what was wrong, where, and what to do. Codes travel by number (api.capnp), so a row is never
// reused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace coppice {

enum class errc : std::uint16_t {
    ok = 0,
    invalid_argument = 1,
    not_found = 2,
    already_exists = 3,
    conflict = 4,
    unauthenticated = 5,
    permission_denied = 6,
    token_expired = 7,
    token_audience = 8,
    unknown_tenant = 9,
    unknown_type = 10,
    type_not_allowed = 11,
    payload_invalid = 12,
    payload_too_large = 13,
    result_too_large = 14,
    queue_full = 15,
    overloaded = 16,
    storage_full = 17,
    unavailable = 18,
    unknown_outcome = 19,
    stale_attempt = 20,
    illegal_transition = 21,
    dependency_failed = 22,
    dependency_unknown = 23,
    timeout_queued = 24,
    timeout_attempt = 25,
    timeout_job = 26,
    timeout_heartbeat = 27,
    worker_lost = 28,
    exec_failed = 29,
    exit_status = 30,
    killed_by_signal = 31,
    cancelled = 32,
    schema_invalid = 33,
    document_invalid = 34,
    data_directory_locked = 35,
    store_format_newer = 36,
    store_damaged = 37,
    cursor_expired = 38,
    message_invalid = 39,
    internal = 40,
    job_failed = 41,
    not_primary = 42,
    node_stopping = 43,
};

struct errc_row {
    errc code;
    std::string_view name;     // stable, snake_case; what programs compare
    std::string_view sentence; // what a person reads
    std::uint16_t http_status;
    bool retryable; // the same call may succeed later
};

// All rows, in order of code.
std::span<const errc_row> errc_catalogue();

// The row of `code`; an unknown number gives the row of `internal`.
const errc_row& describe(errc code);

inline std::string_view to_string(errc code) { return describe(code).name; }

// The code that bears `name`, or `internal`.
errc errc_from_name(std::string_view name);

// The code of a number that came over a socket or from a disk; unknown numbers give `internal`.
errc errc_from_number(std::uint16_t number);

// An expected failure: the code, and a detail that names what, where and what to do. `retry_after_ms` is 0 unless
// the catalogue says the code is retryable and the refuser knows a sensible wait.
struct failure {
    errc code = errc::internal;
    std::string detail;
    std::uint32_t retry_after_ms = 0;

    bool operator==(const failure&) const = default;
};

template <class T>
using expected = tl::expected<T, failure>;

inline tl::unexpected<failure> fail(errc code, std::string detail, std::uint32_t retry_after_ms = 0) {
    return tl::unexpected<failure>(failure{code, std::move(detail), retry_after_ms});
}

// "name: sentence (detail)", for logs and terminals.
std::string to_string(const failure& f);

} // namespace coppice
