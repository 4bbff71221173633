// The keys of every table that jobs use: one function a table, so that the order in which rows lie is said once.
// Everything of a tenant lies together under (shard, tenant).
#pragma once

#include "persistence/keys.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice::keys {

inline row_key shard(shard_id s) { return row_key{}.u16(s.value); }
// The first key after everything of the shard.
inline row_key end_of_shard(shard_id s) { return row_key{}.u32((std::uint32_t{s.value} + 1) << 16); }
inline row_key tenant(shard_id s, tenant_id t) { return row_key{}.u16(s.value).u32(t.value); }
inline row_key type(shard_id s, type_id t) { return row_key{}.u16(s.value).u32(t.value); }
inline row_key counters(shard_id s, tenant_id t, type_id y) { return tenant(s, t).u32(y.value); }

// jobs, payloads, results, running, checkpoints; graphs, batches: of a graph's first job
inline row_key job(const job_id& id) { return tenant(id.shard(), id.tenant()).id(id); }

// A waiting job's place: lower is sooner. A priority is a head start of one priority_step over the next, so ageing
// is in the key itself: nothing is re-sorted, and whoever waits long enough is first whatever comes after.
inline std::uint64_t rank(instant ready, int priority) {
    const auto step = std::chrono::duration_cast<milliseconds>(limits::priority_step).count();
    return to_ms(ready) + static_cast<std::uint64_t>((priority - limits::priority_first) * step);
}
inline row_key queue_of(shard_id s, tenant_id t, type_id y) { return counters(s, t, y); }
inline row_key queue(const job_id& id, type_id y, std::uint64_t rank) {
    return queue_of(id.shard(), id.tenant(), y).u64(rank).id(id);
}

inline row_key schedule(shard_id s, schedule_id id) { return row_key{}.u16(s.value).u32(id.value); }
inline row_key unique(shard_id s, tenant_id t, type_id y, std::uint64_t high, std::uint64_t low) {
    return counters(s, t, y).u64(high).u64(low);
}

enum class timer_kind : std::uint8_t {
    ready = 0,              // scheduled -> queued
    queued_timeout = 1,     // queued for too long
    job_timeout = 2,        // the whole job took too long
    resolve_children = 3,   // go on telling children that their parent ended
    forget_idempotency = 4, // its key's time is over
    forget_unique = 5,      // it answers for its likes no longer
    erase_logs = 6,         // go on erasing those of a job that is erased
};
inline row_key timer(instant due, timer_kind kind, const job_id& id) {
    return shard(id.shard()).u64(static_cast<std::uint64_t>(to_us(due))).u8(static_cast<std::uint8_t>(kind)).id(id);
}

inline row_key dependents_of(const job_id& parent) { return shard(parent.shard()).id(parent); }
inline row_key dependent(const job_id& parent, const job_id& child) { return dependents_of(parent).id(child); }

// `text` is at most limits::idempotency_key_size_max bytes.
using idempotency_key = basic_key<limits::idempotency_key_size_max + 8>;
inline idempotency_key idempotency(shard_id s, tenant_id t, std::string_view text) {
    return idempotency_key{}.u16(s.value).u32(t.value).raw(as_bytes_view(text));
}

inline row_key logs_of(const job_id& id, std::uint32_t attempt) { return job(id).u32(attempt); }
inline row_key log(const job_id& id, std::uint32_t attempt, std::uint64_t sequence) {
    return logs_of(id, attempt).u64(sequence);
}

inline row_key evidence(shard_id s, std::uint64_t sequence) { return shard(s).u64(sequence); }
inline row_key event(shard_id s, std::uint64_t sequence) { return shard(s).u64(sequence); }

// The sequence of the newest row of a table whose keys are as those two; 0: there is none.
inline std::uint64_t last_sequence(read_tables& from, table t, shard_id s) {
    const auto last = from.seek_before(t, end_of_shard(s));
    if (!last || !has_prefix(last->key, shard(s))) return 0;
    key_reader k{last->key};
    k.u16();
    return k.u64();
}

} // namespace coppice::keys
