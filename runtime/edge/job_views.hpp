// From rows to what a caller sees of them, and the reads behind list, get, logs, result and the event feed. All
// take a read transaction and give back plain answers; none waits.
#pragma once

#include <nlohmann/json.hpp>

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "runtime/edge/call_guard.hpp"

namespace coppice {

inline failure no_such_job(const job_id& id) { return {errc::not_found, "no job " + to_string(id), 0}; }

// As it was submitted; until `t` changes or ends.
capnp::Data::Reader payload_of(read_tables& t, const job_id& id, rec::JobRow::Reader row);

// `whole`: with payload and history.
void write_job(read_tables& t, const catalog& declared, const job_id& id, rec::JobRow::Reader row, bool whole,
               api::JobView::Builder to);

// A field at the top level of a payload, and what it must be.
struct payload_match {
    std::string field;
    nlohmann::json value;
};

struct job_filter {
    std::optional<tenant_id> tenant; // absent: all
    std::optional<type_id> type;
    std::optional<job_state> state;
    std::optional<instant> from, before; // of the submission
    std::optional<std::uint16_t> error_code;
    std::optional<payload_match> payload;
    std::string key;                 // with a tenant
    std::vector<std::string> labels; // "name=value", or "name"
};
struct job_page {
    std::vector<job_id> ids;
    std::string cursor; // empty: that was all
};
// Newest first within a tenant. `shards`: of the cluster. Looks at no more than limits::list_scan_max rows and
// limits::list_payload_bytes_max of payloads; with a key, at the one job that it names.
job_page list_jobs(read_tables& t, std::size_t shards, const job_filter& filter, std::size_t limit,
                   std::string_view cursor);

// Leaves as many as have limits::list_payload_bytes_max of payloads together, but at least one.
void cut_to_bytes(read_tables& t, job_page& page);
// By the counters: of tenant, type and state alone.
std::uint64_t count_jobs(read_tables& t, std::size_t shards, const job_filter& filter);

// A sequence for each shard.
inline void write_place(const std::vector<std::uint64_t>& place, capnp::List<std::uint64_t>::Builder to) {
    for (unsigned i = 0; i < to.size(); ++i) to.set(i, place[i]);
}

// Rows of a shard that have sequences for keys: of events, or evidence.
struct sequence_rows {
    std::vector<std::pair<std::uint64_t, bytes>> rows;
    std::uint64_t last = 0; // where to go on
    bool expired = false;   // what follows `after` was pruned
};
// Those above `after` of `tenant` (absent: all), at most `limit`; looks at no more than limits::list_scan_max rows.
sequence_rows read_events(read_tables& t, shard_id shard, std::optional<tenant_id> tenant, std::uint64_t after,
                          std::size_t limit);
sequence_rows read_evidence(read_tables& t, shard_id shard, std::optional<tenant_id> tenant, std::uint64_t after,
                            std::size_t limit);

} // namespace coppice
