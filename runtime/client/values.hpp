// What the client speaks in: plain values, one for each struct of schema/api.capnp that a caller meets.
//
// Intuition: nothing here knows of a connection or of Cap'n Proto; a value is owned by whoever holds it and may go
// to any thread. Times are `instant` (microseconds since the Unix epoch, UTC; `never` is "not set").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "actors/jobs/job_state.hpp"
#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice::client {

// What a login gave.
struct grant_view {
    std::string subject;
    std::string role;
    std::string tenant; // empty: all tenants
    std::string node_version;
    bool may_jobs = false;
    bool may_work = false;
    bool may_operate = false;
};

struct job_spec {
    std::string tenant; // empty: the token's
    std::string type;
    std::string payload;         // JSON text; empty stands for null
    std::string idempotency_key; // empty: none. With one, a submit is safe to repeat, and the client repeats it
    int priority = 0;            // 1 first .. 5 last; 0: the default
    std::vector<job_id> after;   // starts when all of them succeeded
    milliseconds delay{};
    instant not_before = never; // either this or `delay`
    bool run_anyway = false;    // starts when all in `after` have ended, however they did
    std::string traceparent;    // of the caller's span (W3C Trace Context), handed on to every attempt; empty: none
    std::vector<std::string> labels; // to search by: "name=value", each name once
};

// One of a graph: jobs that are taken all together or not at all.
struct graph_job {
    std::string name;               // within the graph
    std::vector<std::string> after; // names within the graph; spec.after: jobs that are there already
    job_spec spec;                  // without an idempotency key
    bool callback = false;          // starts when all others of the graph have ended, however they did; at most one
};

struct graph_submitted {
    std::vector<job_id> ids; // in the order in which they were named
    bool existing = false;   // the key was known: these are the first graph's
};

struct submitted {
    job_id id;
    bool existing = false; // the idempotency key was known: the first job's id
};

struct attempt_end {
    std::uint32_t attempt = 0;
    errc code = errc::ok;
    instant started = never;
    instant ended = never;
    std::string message;
};

struct job_view {
    job_id id;
    std::string tenant;
    std::string type;
    job_state state = job_state::QUEUED;
    int priority = 0;
    std::uint32_t attempts = 0; // started so far
    instant submitted = never;
    instant started = never; // the newest attempt
    instant finished = never;
    instant due = never; // scheduled: when
    double progress = 0;
    std::string progress_text;
    failure error{errc::ok, {}}; // the last one; code ok: none
    std::uint32_t error_attempt = 0;
    std::uint64_t result_size = 0; // bytes
    bool pending_audit = false;
    std::uint64_t revision = 0; // grows with every change
    bool cancel_requested = false;
    std::uint32_t parents_pending = 0;
    std::vector<job_id> after;
    std::string idempotency_key;
    std::string submitter;
    std::string payload;              // only from `get`
    std::vector<attempt_end> history; // only from `get`
    bool run_anyway = false;
    job_id graph;                      // the first job of its graph; nil: of none
    std::uint32_t checkpoint_size = 0; // bytes that its next attempt goes on from
    std::string schedule;              // that made it; empty: none
    job_id redrives;                   // the job that it does again; nil: none
    job_id redriven_as;                // the job that does it again; nil: none
    std::string traceparent;           // that it was submitted with; empty: none
    std::vector<std::string> labels;
    std::uint32_t edits = 0; // how often it was changed while it waited
    bool callback = false;   // starts when all others of its graph have ended
};

// What to change of a job that waits.
struct job_edit {
    int priority = 0;                   // 1 first .. 5 last; 0: as it is
    std::optional<std::string> payload; // JSON text in place of the one that it has
};

// linearizable: everything that was acknowledged before. stale_ok: what the asked node of a cluster has, at once.
enum class read_mode : std::uint8_t { linearizable, stale_ok };

struct job_filter {
    std::string tenant; // empty: all that the token may see
    std::string type;
    std::optional<job_state> state;
    instant from = never;            // submitted then or later
    instant before = never;          // submitted before
    errc error_code = errc::ok;      // whose last failure has this code; ok: any
    std::string key;                 // of whom this idempotency key answers, of the tenant; empty: any
    std::vector<std::string> labels; // that it has: "name=value", or "name" with any value
    std::string payload_field;       // whose payload has this field with this value (JSON); empty: any
    std::string payload_value;
};

struct job_page {
    std::vector<job_view> jobs;
    std::string cursor;      // empty: the end. A page may be empty and still have one
    std::uint64_t total = 0; // on the first page of a whole list: jobs of the filter's tenant, type, state
};

struct graph_page {
    std::vector<job_view> jobs;                          // parents first
    std::uint32_t size = 0;                              // of the whole graph
    std::array<std::uint32_t, job_state_count> counts{}; // of its jobs, by state (index_of)
};

struct log_view {
    std::uint32_t attempt = 0;
    std::uint64_t sequence = 0; // from 0; a gap: lines were dropped
    instant at = never;
    log_stream stream = log_stream::err;
    std::string text;
};

struct event {
    std::uint64_t sequence = 0;
    instant at = never;
    job_id job;
    std::string type;
    job_state state = job_state::QUEUED; // the one entered
    std::uint32_t attempt = 0;
    errc code = errc::ok;
};

// How far the feed was read: the sequence of the newest event of each shard; one that is not there is the
// beginning.
struct feed_place {
    std::vector<std::uint64_t> sequences;
    // Of some shard, `other` had read further: this is another feed's.
    bool is_behind(const feed_place& other) const;
    bool operator==(const feed_place&) const = default;
};

struct evidence {
    enum class what : std::uint8_t {
        job_ended,
        job_refused,
        tenant_refused, // from then on: its queue was full
        job_deleted,
        job_edited,
        repaired,
        unknown, // of a newer node
    };
    std::uint16_t shard = 0;
    std::uint64_t sequence = 0; // in its shard
    instant at = never;
    what kind = what::unknown;
    std::string tenant; // empty: of none
    job_id job;         // nil: of none
    std::string type;
    std::uint32_t type_version = 0;
    job_state state = job_state::QUEUED;
    std::uint32_t attempt = 0;
    errc code = errc::ok;
    std::string by;
    std::string detail;
};

struct evidence_page {
    std::vector<evidence> rows;
    feed_place last;   // the next `after`
    feed_place newest; // what there was when it was asked for
};

struct event_page {
    std::vector<event> events;
    feed_place last; // the next `after`
};

// How a job ended.
struct job_end {
    job_id id;
    job_state state = job_state::SUCCEEDED;
    std::uint32_t attempt = 0;
    errc code = errc::ok; // why, when it did not succeed
};

struct schedule_view {
    std::string name;
    std::string tenant;
    std::string type;
    std::string timing; // in words
    std::string overlap;
    std::string missed_policy;
    bool paused = false;
    std::vector<instant> times; // the next five
    instant last = never;       // the time of the newest run
    job_id last_job;
    std::uint64_t runs = 0;
    std::uint64_t overlapped = 0, missed = 0, refused = 0; // times that came without a run
    failure error{errc::ok, {}};                           // why the last one was refused
    bool waiting = false;                                  // a run waits for the one before to end
};

struct document_file {
    std::string name;
    std::string text; // YAML
};

struct document_error {
    std::string file;
    std::uint32_t line = 0; // from 1; 0: not known
    std::uint32_t column = 0;
    std::string path;
    std::string message;
};

enum class change_action : std::uint8_t { unchanged = 0, created = 1, updated = 2 };

struct change {
    std::string kind;
    std::string name;
    change_action action = change_action::unchanged;
    std::uint64_t version = 0;
};

// Either `errors` is empty and `changes` say what became of each document, or nothing was changed.
struct apply_result {
    std::vector<change> changes;
    std::vector<document_error> errors;
};

struct declared_view {
    std::string kind;
    std::string name;
    std::uint64_t version = 0;
    std::string spec; // JSON
    instant changed = never;
    std::string changed_by;
};

struct tree_row {
    std::string path;
    std::string kind;
    std::string state; // in words
    std::uint64_t mailbox = 0;
    std::uint64_t handled = 0;
    std::uint64_t restarts = 0;
    std::string last_failure;
    milliseconds age{};
    std::uint64_t memory_bytes = 0; // 0: not known
};

struct tree_page {
    std::vector<tree_row> rows;
    bool cut = false; // there were more than the limit
};

struct check_result {
    std::vector<std::string> findings; // empty: every invariant holds
    std::uint64_t rows = 0;            // walked
    std::uint32_t repairable = 0;      // jobs and counters that a repair may put right
    struct audit {
        instant at = never; // when it ended; never: there was none
        std::uint64_t rows = 0;
        std::uint32_t findings = 0;
    };
    audit newest_audit; // by the node itself
};

// How fast a node starts jobs.
struct start_setting {
    bool closed = false;          // not at all
    std::uint32_t per_second = 0; // 0: as fast as there are slots
};

// What of a check's findings to put right.
struct repair_request {
    std::vector<job_id> jobs;
    bool counters = false;
    bool all = false;
    std::string reason;
};

struct repair_result {
    struct repair {
        job_id job;           // nil: counters
        std::string counters; // of this tenant
        expected<void> done;
    };
    std::vector<repair> repairs;
    std::vector<std::string> remaining; // what a check finds afterwards
};

// ---- the cluster; as api.capnp says

struct node_view {
    std::uint32_t node = 0;
    std::string name;
    std::string state; // joining, active, draining, removed
    std::string zone;
    std::string rpc;
    std::string peer;
    std::uint32_t leads = 0;
    std::uint32_t in_sync = 0;
    std::uint32_t holds = 0;
    bool is_self = false;
    bool linked = false;
    std::optional<milliseconds> seen; // nothing: never
    std::uint64_t applied = 0;        // 0: not known
};

struct shard_view {
    std::uint16_t shard = 0;
    std::uint64_t epoch = 0;
    std::uint32_t primary = 0; // 0: none yet
    std::vector<std::uint32_t> in_sync;
    std::vector<std::uint32_t> replicas;
    std::string role;
    std::uint64_t applied = 0;
    bool lease_valid = false;
};

enum class node_change : std::uint8_t { drain = 0, resume = 1, remove = 2 };

// What lets one more node into the cluster: a token, and where it is good.
struct join_invitation {
    std::string token; // a secret
    instant expires{};
    std::vector<std::string> desks; // "host:port"
};

// Where a shard stayed, and whom to ask instead, when it was not moved because another node leads it.
struct move_result {
    bool moved = false;
    std::uint32_t primary = 0; // when not moved; 0: nobody leads it now
};

} // namespace coppice::client
