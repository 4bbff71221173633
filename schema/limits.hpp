// Every bound in Coppice: its name, its value, its reason. At a bound the edge refuses with `overloaded` or the
// code named here; nothing is dropped in silence.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace coppice::limits {

using namespace std::chrono_literals;

// ---- names and ids
inline constexpr std::size_t name_size_max = 63;             // a DNS label, as Kubernetes has it
inline constexpr std::uint32_t tenants_max = (1U << 24) - 1; // the tenant's field in a job id
inline constexpr std::size_t idempotency_key_size_max = 255; // what HTTP gateways pass on in a header
inline constexpr std::size_t types_per_tenant_max = 256;     // heads that the planner holds for a tenant

// ---- jobs
inline constexpr std::size_t payload_size_max = 256 * 1024; // larger input belongs in a file store, named by URL
inline constexpr std::size_t payload_inline_max = 512;      // kept in the job's row; above it a row of its own
inline constexpr std::size_t result_size_max = 1024 * 1024; // in the tables; a type may allow less
inline constexpr std::size_t result_stored_size_max = 8 * 1024 * 1024; // ... or more, where there is a result store
inline constexpr std::size_t result_inline_max = 512;                  // as payload_inline_max
inline constexpr std::size_t checkpoint_size_max = 64 * 1024;          // a place to go on from, not the work itself
inline constexpr std::size_t error_size_max = 4 * 1024;                // an error's message; cut beyond it, marked
inline constexpr std::size_t progress_text_size_max = 256;             // one line on a terminal
inline constexpr std::size_t log_line_size_max = 8 * 1024;             // cut beyond it, marked
inline constexpr std::size_t log_lines_per_attempt_max = 1000;         // oldest dropped beyond it, marked
inline constexpr std::uint32_t lines_to_store_max = 1000; // beyond those, before they are in the result store
inline constexpr std::size_t stored_lines_object_size = 1024 * 1024; // about so many bytes of lines in an object
inline constexpr std::uint64_t stored_lines_size_max = std::uint64_t{1} << 30; // of one attempt
inline constexpr std::size_t labels_max = 32;      // of a worker; that a job type asks for
inline constexpr std::size_t label_size_max = 127; // bytes
inline constexpr std::size_t job_labels_max = 16;
inline constexpr std::size_t label_value_size_max = 128;
inline constexpr std::size_t traceparent_size = 55;    // its version 00: W3C Trace Context, section 3.2.2
inline constexpr std::size_t parents_max = 1024;       // jobs that one `after` may name
inline constexpr std::size_t children_max = 10'000;    // jobs that may wait for one
inline constexpr std::size_t graph_jobs_max = 10'000;  // jobs submitted as one graph: one command, one message
inline constexpr std::size_t graph_edges_max = 32'768; // names in all its `after` together: each is a row changed
inline constexpr std::size_t children_per_step = 256;  // resolved in one command; the rest in the next ones
inline constexpr std::size_t parent_results_size_max = 1024 * 1024; // handed to a child; larger ones by reference
inline constexpr std::uint32_t attempts_max = 100;                  // a type's attempts_max at the most
inline constexpr std::uint32_t attempts_default = 3;
inline constexpr std::uint32_t attempts_lost_max = 20; // attempts lost with their worker are not counted as
                                                       // tries, but a job that takes workers down must end
inline constexpr int priority_first = 1;
inline constexpr int priority_last = 5;
inline constexpr int priority_default = 3;
inline constexpr auto priority_step = 5min;          // ageing: a job overtakes one a step of priority above
                                                     // it once it has waited this much longer
inline constexpr auto idempotency_kept = 24h;        // a key's answer is remembered this long
inline constexpr auto keep_min = 1s;                 // of jobs that have ended; 0: until somebody deletes them
inline constexpr std::size_t sweep_looks_max = 2000; // jobs looked at by one sweep: some 2 ms
inline constexpr std::size_t sweep_jobs_max = 200;   // erased by one: a batch that stays short for the others in it
inline constexpr auto sweep_pause_min = 1s;          // between rounds over all jobs: a tenth of the shortest time
inline constexpr auto sweep_pause_max = 1min;        // that they are kept, within these
inline constexpr std::size_t log_rows_erased_max = 1000; // of one job at once; the rest by a timer
inline constexpr auto delay_max = 366 * 24h;             // furthest `at` or `delay`
inline constexpr auto cancel_grace_default = 10s;        // between the wish to stop and the kill
inline constexpr auto attempt_timeout_default = 1h;      // no attempt runs for ever
inline constexpr auto retry_base_default = 1s;
inline constexpr auto retry_max_default = 5min;
inline constexpr std::uint32_t rate_starts_max = 1'000'000; // in a rate's time
inline constexpr auto rate_per_min = 1ms;                   // a rate's time
inline constexpr auto rate_per_max = 24h;
inline constexpr std::uint32_t rate_burst_max = 100'000;
inline constexpr std::size_t key_looks_max = 4096; // waiting jobs looked at in one batch for one whose key is free
inline constexpr std::size_t key_homes_max = 100'000; // keys of which a shard knows where they ran last
inline constexpr std::size_t unique_fields_max = 16;
inline constexpr std::uint32_t tenant_weight_max = 1000;
inline constexpr std::uint32_t tenant_queued_default = 1'000'000;
inline constexpr std::uint32_t tenant_running_default = 10'000;

inline constexpr std::size_t findings_max =
    100; // of a shard that a store check tells, and a repair puts right at once
inline constexpr auto closed_valve_look = 250ms;     // how often what waits asks whether it may start again
inline constexpr std::size_t repair_rows_max = 1000; // of one job, put right at once
inline constexpr std::size_t history_max = 16;       // ends of attempts that a job remembers, as records.capnp says
inline constexpr auto duration_max = 10 * 366 * 24h; // a declared timeout or backoff: what parse_duration takes
inline constexpr auto clock_hold_max =
    1min; // a clock that steps back is held so long; further back, it is followed

// ---- schedules
inline constexpr auto schedule_every_min = 1s;
inline constexpr auto schedule_catch_up_default = 24h;
inline constexpr auto schedule_catch_up_max = 7 * 24h;     // of an expression that fires each second, 604,800 times
inline constexpr auto schedule_late_max = 10s;             // later than that, a time was missed
inline constexpr std::size_t schedule_runs_max = 100;      // of one schedule in one batch; the rest in the next
inline constexpr std::size_t schedules_per_batch_min = 8;  // planned in one; more, the slower a commit is
inline constexpr std::size_t schedules_per_batch_max = 64; // each may bring schedule_runs_max jobs
inline constexpr std::size_t cron_size_max = 256;          // bytes of an expression
inline constexpr std::size_t schedule_times_shown = 5;
inline constexpr std::size_t schedules_listed_max = 10'000;

// ---- commit
inline constexpr std::size_t batch_commands_max = 4096; // one group commit; keeps a commit under some 50 ms
inline constexpr std::size_t batch_bytes_max = 32 * 1024 * 1024;
inline constexpr std::size_t inflight_proposals_max =
    16 * 1024; // proposals on the way to a journal; then `overloaded`
inline constexpr std::size_t inflight_bytes_max = 64 * 1024 * 1024;
inline constexpr auto commit_stall_max = 5s; // proposals wait and nothing is committed: not ready for more work
inline constexpr std::size_t timers_per_tick_max = 1024; // due timers fired by one tick; the rest by the next
inline constexpr double storage_reserve_part = 0.05;     // of the map, kept for what must still be recorded
                                                         // when new work is refused with `storage_full`
inline constexpr std::size_t map_size_default = std::size_t{64} * 1024 * 1024 * 1024; // address space, not disk
inline constexpr auto reader_age_max = 10s;           // an older reader pins pages and is reported by name
inline constexpr std::size_t key_size_max = 511;      // LMDB's, as Debian builds it
inline constexpr std::size_t store_readers_max = 256; // read transactions at a time; more wait for one to end
inline constexpr std::size_t store_readers_kept = 16; // ended ones kept for the next begin_read
inline constexpr std::uint64_t store_check_pages_max = 256 * 1024; // 1 GiB read when a store is opened; of a larger
                                                                   // one, all but the leaves
inline constexpr auto storage_probe_interval = 100ms; // after `storage_full`, the disk is asked this often
inline constexpr auto storage_distrust_max = 10s;     // then a commit is tried again, whatever the disk says
inline constexpr std::size_t storage_disk_room = 64 * 1024 * 1024; // free on the disk before it is trusted again
inline constexpr std::uint64_t events_kept =
    1'000'000; // rows of the event feed; a cursor before it `cursor_expired`
inline constexpr std::uint32_t events_pruned_at_once = 1024; // beyond those kept, before any is erased
inline constexpr std::uint32_t events_per_prune_max =
    2 * batch_commands_max; // in one batch: more than one can bring, so that pruning keeps up

// ---- workers
inline constexpr std::uint32_t worker_slots_max = 65'536;
inline constexpr std::uint32_t job_slots_max = 1024; // of one worker, that one job takes
inline constexpr std::size_t worker_types_max = 256;
inline constexpr auto worker_silence_max = 15s;    // then its attempts are taken away
inline constexpr auto worker_reconnect_grace = 3s; // a broken connection may come back; then its attempts are lost
inline constexpr auto worker_reattach_grace = 5s;  // after a restart of the node, for workers to come back
inline constexpr std::uint32_t exec_slots_default = 4; // subprocesses at a time, unless configured

// ---- the worker's side of a session
inline constexpr std::uint32_t worker_threads_max = 256;   // of a worker whose handlers block: stacks are memory
inline constexpr std::size_t worker_report_calls_max = 64; // under way; more would only wait in the node
inline constexpr std::size_t worker_reports_per_call_max = 4096; // as batch_commands_max: one call, one commit
inline constexpr std::size_t worker_report_bytes_max =
    4 * 1024 * 1024; // results and lines in one call: a quarter of
                     // a message, so that one large one more fits
inline constexpr auto worker_lines_delay =
    50ms; // progress and lines wait so long for company: a report is a commit

inline constexpr std::size_t worker_lines_per_call_max =
    64 * 1024; // more lines than fit in worker_report_bytes_max,
               // unless they are empty

// ---- executors
inline constexpr std::size_t exec_attempts_max = 1024; // subprocesses of a node at a time; each costs it two
                                                       // descriptors and a directory
inline constexpr std::size_t exec_request_size_max = 160 * 1024; // argv and environment of one; fits a socket's
                                                                 // default send buffer (208 KiB) whole
inline constexpr std::size_t exec_argument_size_max = 128 * 1024 - 1; // MAX_ARG_STRLEN of Linux
inline constexpr std::size_t exec_arguments_max = 1024;
inline constexpr std::size_t exec_environment_max = 256;
inline constexpr auto exec_pipe_grace = 250ms;     // after the program ended, for what still holds its pipes
inline constexpr auto exec_kill_patience = 5s;     // from SIGKILL to giving up on a process stuck in the kernel
inline constexpr auto exec_timeout_grace_max = 2s; // from SIGTERM to SIGKILL at a timeout: the attempt is over then
inline constexpr auto exec_log_flush_interval = 200ms;              // live enough for a reader, few enough commits
inline constexpr std::size_t exec_log_flush_size = 32 * 1024;       // earlier than the interval from here on ...
inline constexpr std::size_t exec_log_flushes_per_interval = 4;     // ... so often; then oldest lines drop, marked
inline constexpr std::size_t exec_log_buffer_size_max = 128 * 1024; // an attempt's lines not yet reported
inline constexpr std::size_t exec_log_read_size_per_interval = 256 * 1024; // one that writes faster waits in its
inline constexpr std::size_t exec_log_read_lines_per_interval = 4096;      // write(): it may not starve the others
inline constexpr std::size_t exec_last_line_size_max = 512; // of stderr, quoted in a failure's detail
inline constexpr std::size_t exec_remove_step = 64; // files removed before the cleaning thread looks up again
inline constexpr std::size_t exec_remove_backlog_max =
    16 * 1024;                                             // directories that wait for it; beyond, starts slow down
inline constexpr std::size_t exec_remove_queue_max = 1024; // known by name; the rest are listed again later
inline constexpr std::size_t exec_remove_tries_max = 20; // a directory that cannot be emptied is left, for the next
                                                         // start
inline constexpr std::size_t exec_warden_restarts_max = 5; // in the period; then `unavailable`
inline constexpr auto exec_warden_restart_period = 60s;

inline constexpr std::size_t http_url_size_max = 2048;
inline constexpr std::size_t http_headers_max = 32;           // of a type's requests
inline constexpr std::size_t http_header_size_max = 4 * 1024; // one of them
inline constexpr auto http_connect_timeout = 10s;             // resolving, connecting and TLS
inline constexpr auto http_retry_after_max = 24h;             // what a server may ask for

// ---- edge
inline constexpr std::size_t rpc_message_size_max = 16 * 1024 * 1024; // one Cap'n Proto message
inline constexpr std::size_t rpc_connections_max = 4096;
inline constexpr std::size_t rpc_calls_per_connection_max = 1024; // under way; then `overloaded`
inline constexpr auto rpc_login_timeout = 10s; // from the connect to a login, the handshake with it; then closed
inline constexpr std::size_t rpc_stranger_bytes_max = 64 * 1024; // sent before a login; a token and words around it
inline constexpr std::size_t rpc_logins_per_connection_max = 16; // tried; then `overloaded`: who guesses reconnects
inline constexpr std::size_t rpc_sessions_per_connection_max = 8; // of workers; each is an actor
inline constexpr std::size_t rpc_reads_unheard_max = 64; // from who does not read answers; two or three a message
inline constexpr auto rpc_accept_pause = 100ms;          // when there are no descriptors left
inline constexpr std::size_t submit_batch_max = 1000;    // jobs in one submit
inline constexpr std::size_t page_size_max = 1000;
inline constexpr std::size_t page_size_default = 100;
inline constexpr std::size_t list_scan_max = 5'000; // rows one page may look at before it returns a cursor
inline constexpr std::size_t list_payload_bytes_max =
    1024 * 1024;                                  // of payloads, likewise, where a filter reads them
inline constexpr std::uint16_t list_filters = 11; // fields of api.capnp's JobService.Filter
inline constexpr auto long_poll_max = 30s;
inline constexpr std::size_t token_size_max = 8 * 1024;
inline constexpr std::size_t document_size_max = 1024 * 1024; // one YAML file
inline constexpr std::size_t json_depth_max = 64;
inline constexpr std::size_t json_values_max = 200'000; // in one text: every payload fits, and a hostile 1 MiB of
                                                        // "[]," stays under some 20 MB as a tree

// ---- governance
inline constexpr std::size_t json_schema_size_max = 256 * 1024; // one JSON Schema, as text
inline constexpr std::size_t json_schema_nodes_max = 20'000;    // subschemas of one schema
inline constexpr std::size_t json_schema_uri_size_max =
    2048; // an `$id` as resolved; each anchor and nested id keeps one
inline constexpr std::size_t json_schema_patterns_max = 256;   // regular expressions of one schema
inline constexpr std::size_t json_pattern_size_max = 4 * 1024; // one regular expression, as text
inline constexpr int json_pattern_program_max = 30'000;        // RE2 instructions; matching takes text times this
inline constexpr std::uint64_t json_schema_pattern_programs_max = 100'000; // all patterns of one schema together
inline constexpr std::int64_t json_pattern_memory_max =
    2 * 1024 * 1024;                                              // RE2's automata, each pattern, forward and back
inline constexpr std::uint64_t json_schema_steps_max = 4'000'000; // of one validation, some 50 to 100 ns each: a
                                                                  // full payload of 256 KiB needs under a million
inline constexpr std::size_t json_schema_evaluation_depth_max = 400; // subschemas inside one another during one
                                                                     // validation; keeps the stack under 1 MB
inline constexpr std::size_t json_schema_violations_default =
    16; // told of one payload; a person fixes a few at a time

// ---- tokens and keys
inline constexpr auto token_leeway = 30s; // how far an issuer's clock may run before ours (`nbf`, `iat`); a token
                                          // that is over is over: `exp` gets none
inline constexpr std::size_t token_subject_size_max = 255;  // stands in every audit line
inline constexpr std::size_t token_audiences_max = 32;      // one token, a handful of services
inline constexpr std::size_t key_id_size_max = 128;         // a thumbprint or a name
inline constexpr std::size_t hmac_secret_size_min = 32;     // RFC 7518, 3.2: at least the hash's size
inline constexpr std::size_t hmac_secret_size_max = 1024;   // more than the hash's block adds nothing
inline constexpr std::size_t key_file_size_max = 64 * 1024; // a JWK Set of `keys_max` keys fits
inline constexpr std::size_t keys_max = 64;                 // accepted at a time; rotation needs two

// ---- TLS
inline constexpr std::size_t tls_file_size_max = 512 * 1024; // a chain, a key, a bundle of CAs; Debian's has 220 KB
inline constexpr auto tls_handshake_timeout = 10s; // then whoever connected and said nothing is hung up on

// ---- cluster
inline constexpr std::size_t host_size_max = 253;                 // a DNS name as text (RFC 1035, 2.3.4)
inline constexpr std::size_t certificate_hosts_max = 16;          // a node's names and addresses
inline constexpr std::size_t certificate_pem_size_max = 8 * 1024; // one of ours has under 2 KiB
inline constexpr std::size_t certificate_chain_max = 4; // a node's own and its authority's, and room to replace one
inline constexpr std::size_t private_key_pem_size_max = 4 * 1024; // P-256 has some 240 bytes
inline constexpr auto authority_lifetime = 10 * 365 * 24h;        // replaced by hand; must outlive what it signed
inline constexpr auto certificate_lifetime_default = 365 * 24h;
inline constexpr auto certificate_lifetime_min = 1min; // tests and short-lived guests
inline constexpr auto certificate_lifetime_max = 3 * 365 * 24h;
inline constexpr auto certificate_backdated = 5min;      // for nodes whose clock is behind the issuer's
inline constexpr std::size_t join_token_size_max = 512;  // as text; a cluster's name and some 100 bytes
inline constexpr auto join_token_lifetime_max = 7 * 24h; // it lies about in terminals and chats until then
inline constexpr auto join_token_lifetime_default = 1h;
inline constexpr std::size_t join_record_size_max = 1024;        // what the cluster keeps of a token
inline constexpr std::size_t join_tokens_max = 64;               // not over and not spent
inline constexpr std::size_t join_message_size_max = 256 * 1024; // an answer with keys and certificates has some 10
inline constexpr std::size_t join_files_max = 40;        // in an answer: the cluster's token keys, etcd's files
inline constexpr std::size_t join_conversations_max = 8; // at a time: strangers come here
inline constexpr auto join_timeout = 15s;                // of one conversation, with what the store needs
inline constexpr int join_attempts_max = 5;              // when others are let in at the same moment
inline constexpr std::size_t members_max = 128;          // not removed; each links to every other
inline constexpr std::size_t member_record_size_max = 16 * 1024; // as JSON; one full of features has some 6 KiB
inline constexpr std::size_t member_features_max = 64; // of one node; older ones become the protocol's minimum
inline constexpr std::size_t shard_record_size_max = 2 * 1024; // as JSON; a full one has some 300 bytes
inline constexpr std::uint32_t shards_max = 4096;              // the shard's field in a job id
inline constexpr std::size_t replicas_max = 7;                 // of a shard: a commit waits for all in sync
inline constexpr std::size_t placement_steps_default = 16;     // planned at once: each costs a copy of a shard

// ---- observability
inline constexpr std::size_t log_text_size_max = 4 * 1024; // a message or a value in the node's log; cut beyond
                                                           // it, marked: one line stays readable
inline constexpr std::size_t metric_label_size_max = 128;  // a name, an id; cut beyond it
inline constexpr std::size_t metric_series_max = 10'000;   // of one family, kept to count: a scrape stays a few MB
inline constexpr std::size_t metric_series_shown = 100;    // of one family, shown by name; the rest as "other"
inline constexpr std::size_t metric_queue_heads_max =
    1024; // rows of the queue that a scrape looks up, some 2 us each
inline constexpr std::size_t metrics_head_size_max = 8 * 1024; // a scraper's request is a few hundred bytes
inline constexpr std::size_t metrics_connections_max = 64;     // a few scrapers and probes
inline constexpr std::size_t metrics_requests_per_connection_max = 1000;
inline constexpr auto metrics_head_timeout = 10s; // from a request's first byte to the end of its head
inline constexpr auto metrics_idle_timeout = 75s; // between requests; longer than a scrape interval of one minute
inline constexpr auto metrics_write_timeout = 30s;

// ---- documents and configuration
inline constexpr std::size_t yaml_values_max = 100'000;  // in one text; a parsed value takes some 150 bytes
inline constexpr std::size_t yaml_brackets_max = 65'536; // the parser keeps 200 bytes for each that is still open
inline constexpr std::size_t document_files_max = 1000;  // in one directory given to `apply`
inline constexpr std::size_t document_errors_max = 100;  // reported in one run; the rest is counted
inline constexpr std::size_t document_schema_size_max = 64 * 1024; // JSON; as YAML it is larger
inline constexpr std::size_t argv_items_max = 256;                 // far below what execve takes, and readable
inline constexpr std::size_t argv_size_max = 64 * 1024; // all of them together, before fields are filled in
inline constexpr std::uint32_t running_declared_max = 1'000'000; // jobs running at a time: more slots than a node
inline constexpr std::uint32_t queued_declared_max = 1'000'000'000; // rows on disk; the store's map ends it sooner
inline constexpr std::uint32_t exec_slots_max = 1024;               // subprocesses of one node
inline constexpr std::uint64_t map_size_min = 16ULL * 1024 * 1024;
inline constexpr std::uint64_t map_size_max = 64ULL << 40; // half of what x86-64 lets a process map

// ---- documents and configuration

// ---- cluster
inline constexpr std::size_t replica_entries_per_message_max = 256;           // of a log, in one prepare
inline constexpr std::size_t replica_bytes_per_message_max = 4 * 1024 * 1024; // of entries; one alone may be larger
inline constexpr std::uint64_t replica_log_kept =
    20'000; // entries behind the tables, for replicas that catch up ...
inline constexpr std::size_t replica_log_trim_max = 1024; // ... erased at most so many at a time beyond them
inline constexpr std::size_t replica_unlogged_bytes_max =
    4 * 1024 * 1024;                                     // of committed entries not yet in the log
inline constexpr std::size_t replica_gathered_max = 512; // messages, before what they ask for is carried out
inline constexpr auto replica_unlogged_age_max = 200ms;  // ... they are in the tables on disk
inline constexpr auto replica_apply_pause = 5ms;         // a follower's tables are behind its log, to share commits
inline constexpr std::size_t replica_apply_entries_max = 256; // in one commit of a follower
inline constexpr std::size_t replica_entry_bytes_max =
    4 * 1024 * 1024; // of proposals in one; a first alone may be larger
inline constexpr std::size_t outbox_bytes_max =
    64 * 1024 * 1024;                                       // that wait for a peer's window: two largest entries
inline constexpr std::size_t outbox_part_size = 256 * 1024; // larger messages go in parts; fits every window
inline constexpr std::size_t peer_message_size_max = 48 * 1024 * 1024; // put together again from its parts
inline constexpr auto outbox_pause = 2ms;                              // before a full window is tried again
inline constexpr auto route_patience =
    10s; // how long a proposal is tried again while its shard changes its primary
inline constexpr auto route_retry_pause = 50ms;
inline constexpr auto serving_said_again = 500ms; // by the primary to all nodes
inline constexpr auto read_patience = 5s;         // how long a read waits for somebody who may answer it
inline constexpr auto router_tick_every = 10ms;   // while something waits to be tried again
inline constexpr auto slots_rest = 1s;            // nobody lacks a slot of an executor: spread evenly among shards
inline constexpr auto slots_even = 1s;            // among those that want some, after one had more than its share
inline constexpr auto slots_said_every = 2ms;     // by a primary to executors' nodes: a message for many commits
inline constexpr auto slots_said_again = 1s;      // though nothing changed: a message may have been lost
inline constexpr std::uint32_t slots_kept_factor = 4; // slots a shard, from which on each keeps one in any case
inline constexpr std::size_t slots_tenants_looked_at = 64; // by a primary, for whose work waits for a slot
inline constexpr std::size_t slots_per_message_max = 4096; // executors of one node that one message speaks of
inline constexpr std::size_t routed_proposals_max = 4096;  // under way to other nodes, or waiting for a primary
inline constexpr std::size_t routed_reads_max = 16'384;
inline constexpr std::size_t snapshot_slice_bytes = 512 * 1024; // of rows in one slice; one is under way at a time
inline constexpr std::size_t snapshot_rows_per_slice_max = 64 * 1024;

// ---- command line
inline constexpr std::size_t job_line_size_max = payload_size_max + 64 * 1024; // a line of `job submit -f`: a
                                                                               // payload and a thousand parents
inline constexpr std::size_t submit_calls_max = 8; // of `job submit -f` under way: the node is kept busy
inline constexpr std::size_t submit_call_bytes_max =
    1024 * 1024;                                         // of payloads in one, as a quick node answers soon
inline constexpr std::size_t submit_call_jobs_max = 500; // in one: ids come out as they are committed
inline constexpr auto submit_patience = 60s; // how long a full queue may accept nothing before lines are refused
inline constexpr std::uint64_t list_printed_max = 10'000; // of one `job list`, held as text; then by --cursor

// ---- the process's memory
inline constexpr int heap_arenas_max = 2;                      // of malloc; more keep more free memory apart
inline constexpr std::size_t heap_free_max = 16 * 1024 * 1024; // free for two looks in a row: given back
inline constexpr auto heap_look_interval = 1s;

// ---- cluster: peer links
inline constexpr std::size_t peers_max = 64;             // nodes that one links with; each costs two connections
inline constexpr std::size_t peer_strangers_max = 64;    // connections that have not yet proved who they are
inline constexpr std::size_t peer_hello_size_max = 4096; // a message before that proof
inline constexpr std::size_t peer_control_frame_size_max = 512 * 1024;   // a largest payload, and words around it
inline constexpr std::size_t peer_bulk_frame_size_max = 2 * 1024 * 1024; // a largest result; snapshots are cut up
inline constexpr std::size_t peer_envelope_size_max = 1024;              // around a frame
inline constexpr std::size_t peer_frame_cost = 512; // counted on top of a frame's bytes: bounds their number
inline constexpr std::size_t peer_control_window = 4 * 1024 * 1024; // sent and not yet consumed by the receiver
inline constexpr std::size_t peer_bulk_window = 8 * 1024 * 1024;    // 64 MB/s at a round trip of 120 ms
inline constexpr auto peer_tick = 100ms;                            // how often a link is looked at
inline constexpr auto peer_heartbeat_interval = 250ms;              // on the control connection
inline constexpr auto peer_silence_max = 1500ms;             // five heartbeats: a frozen peer is found in under 2 s
inline constexpr auto peer_bulk_heartbeat_interval = 1s;     // keeps middle boxes from forgetting it
inline constexpr auto peer_bulk_silence_max = 15s;           // a heartbeat waits behind a window of bulk
inline constexpr auto peer_open_timeout = 5s;                // from the connect to the hello's answer
inline constexpr auto peer_goodbye_wait = 500ms;             // for a last word to be written
inline constexpr auto peer_backoff_min = 100ms;              // between tries to connect, doubled each time ..
inline constexpr auto peer_backoff_max = 5s;                 // .. to this; half of it at random
inline constexpr auto peer_stable_after = 10s;               // a link that lasted so long was no flap
inline constexpr std::uint32_t peer_flaps_max = 20;          // in a row; then ..
inline constexpr auto peer_flap_backoff = 30s;               // .. it is left alone so long, and said to be
inline constexpr auto peer_offence_wait = 5s;                // after it broke the protocol
inline constexpr std::uint32_t peer_stranger_lines_max = 10; // log lines a second about strangers; the rest counted
inline constexpr std::size_t peer_goodbye_size_max = 256;    // a reason is one line

// ---- supervision
inline constexpr auto kill_wait = 1s; // between the kill and giving a child up as hung in a handler
inline constexpr std::size_t dynamic_children_max = 200'000; // of one dynamic supervisor: some 250 MB of actors
inline constexpr std::size_t stash_max = 1024;               // messages kept for a restarting child
inline constexpr auto shutdown_grace_default = 5s;

// ---- cluster: control store
inline constexpr std::size_t control_key_size_max = 480;           // one key of LMDB (511), a prefix included
inline constexpr std::size_t control_value_size_max = 512 * 1024;  // the largest declared document, twice over
inline constexpr std::size_t control_txn_operations_max = 128;     // etcd's default (--max-txn-ops)
inline constexpr std::size_t control_txn_compares_max = 8;         // a conflict answers with the values of all
inline constexpr std::size_t control_txn_size_max = 1024 * 1024;   // etcd refuses requests above 1.5 MiB
inline constexpr std::size_t control_list_entries_max = 64 * 1024; // of one list: tenants and types of a cluster
inline constexpr std::size_t control_list_size_max = 64 * 1024 * 1024; // its keys and values, held in memory
inline constexpr std::size_t control_page_entries_max = 256;           // asked for at once by a list ...
inline constexpr std::size_t control_page_entries_min = 8; // ... and when that is too much: these fit an answer
inline constexpr int control_list_restarts_max = 3;        // when the revision of a list is compacted between pages
inline constexpr std::size_t control_response_size_max = 8 * 1024 * 1024; // one answer, as JSON and base64
inline constexpr std::size_t control_response_head_size_max = 64 * 1024;  // its HTTP head
inline constexpr std::size_t control_json_depth_max = 16;                 // etcd's answers have some eight
inline constexpr std::size_t control_calls_max = 1024;                    // not yet answered; then `overloaded`
inline constexpr std::size_t control_calls_size_max = 16 * 1024 * 1024;   // keys and values in them
inline constexpr std::size_t control_calls_in_flight_max = 32;            // connections to etcd for calls
inline constexpr std::size_t control_history_changes_max = 4096;          // a local store's watch resumes within
inline constexpr std::size_t control_history_size_max = 4 * 1024 * 1024;  // these; before them it starts anew
inline constexpr std::size_t control_watches_max = 64;                    // each is a connection to etcd
inline constexpr std::size_t control_leases_max = 64;                     // a node needs one
inline constexpr std::size_t control_endpoints_max = 16;                  // etcd advises at most seven members
inline constexpr std::size_t control_endpoint_size_max = 300;             // a DNS name, scheme and port
inline constexpr std::size_t control_prefix_size_max = 128;               // before every key in etcd
inline constexpr std::size_t control_token_size_max = 8 * 1024;           // what etcd gives for user and password
inline constexpr auto control_connect_timeout = 2s;
inline constexpr auto control_try_timeout = 3s;    // one request to one endpoint; above an election (1 s)
inline constexpr auto control_call_timeout = 8s;   // one call over all endpoints: two tries and a wait
inline constexpr auto control_backoff_base = 50ms; // doubles with every failure of an endpoint, with jitter ...
inline constexpr auto control_backoff_max = 2s;    // ... up to this: how late a node notices that etcd is back
inline constexpr auto control_probe_interval = 2s; // a watch asks its endpoint for a sign of life
inline constexpr auto control_lease_ttl_min = 1s;
inline constexpr auto control_lease_ttl_max = 3600s;
inline constexpr auto control_mirror_note_interval = 60s; // a quiet mirror writes down so often that it is current

// ---- cluster: a node's configuration
inline constexpr auto replica_standstill_max =
    10s; // committed and not applied, or under way and not committed: not ready
inline constexpr std::uint32_t cluster_shards_default = 3; // one that each of three nodes leads
inline constexpr std::uint32_t cluster_shards_max = 64;    // each costs a node beats, and a share of every executor
inline constexpr std::uint32_t cluster_min_in_sync_default = 2; // what one node acknowledged another one has
inline constexpr auto cluster_lease_default = 600ms;            // six beats of a primary
inline constexpr auto cluster_lease_min = 300ms;                // three: fewer, and one lost packet stops a shard
inline constexpr auto cluster_lease_max = 60s;                  // how long a shard stands still at the most
inline constexpr auto cluster_grace_default = 900ms;
inline constexpr auto cluster_grace_max = 5min;
inline constexpr int cluster_grace_factor = 13;  // grace is at least 13/10 of the lease: clocks that drift, threads
inline constexpr int cluster_grace_divisor = 10; // that wait

// ---- cluster: what is declared
inline constexpr std::size_t declare_requests_max = 64; // applies of one node not yet answered; then `overloaded`
inline constexpr std::size_t declare_attempts_max =
    32;                                             // of one, against others' changes: each lost one is another's
inline constexpr auto declare_patience = 30s;       // for one apply to be committed and in force: two elections
inline constexpr auto declare_retry_pause = 200ms;  // before a shard that could not take it is told again
inline constexpr auto declare_tick_interval = 50ms; // how late a pause's or a deadline's end is seen
inline constexpr auto declared_wait_max = 2s;       // for a name that another node may have heard of just now
inline constexpr std::size_t declared_questions_max = 16 * 1024;  // calls of one node that wait for that at a time
inline constexpr std::size_t declarations_per_proposal_max = 256; // some 100 KiB, and a pause of a ms for others

// ---- cluster: clients and operators
inline constexpr std::size_t client_servers_max = 64; // nodes that a client is told of: a cluster's, and some
inline constexpr auto stop_patience = 2000ms;         // of a node that stops, with what it has under way
inline constexpr auto stop_look_every = 10ms;
inline constexpr auto client_unavailable_patience = 2s;   // a node that says `unavailable` for longer is left for
                                                          // the next: longer than a takeover, shorter than a person
inline constexpr auto hand_over_patience = 10s;           // for an ordered hand-over, by whoever waits for it
inline constexpr auto hand_over_pause = 300ms;            // new work waits so long for it: longer than a commit
inline constexpr std::size_t hand_overs_awaited_max = 64; // by operators, at one node; then `overloaded`

} // namespace coppice::limits
