#include "actors/tenants/tenant_book.hpp"

#include <algorithm>
#include <utility>

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

std::uint64_t& field(state_counts& c, job_state s) { return c.by_state[index_of(s)]; }

void read_counts(rec::CountersRow::Reader row, state_counts& into) {
    field(into, job_state::BLOCKED) = row.getBlocked();
    field(into, job_state::SCHEDULED) = row.getScheduled();
    field(into, job_state::QUEUED) = row.getQueued();
    field(into, job_state::RUNNING) = row.getRunning();
    field(into, job_state::SUCCEEDED) = row.getSucceeded();
    field(into, job_state::FAILED) = row.getFailed();
    field(into, job_state::CANCELLED) = row.getCancelled();
    field(into, job_state::REJECTED) = row.getRejected();
    into.refusing = row.getRefusing();
}

void write_counts(const state_counts& from, rec::CountersRow::Builder row) {
    row.setBlocked(from.in(job_state::BLOCKED));
    row.setScheduled(from.in(job_state::SCHEDULED));
    row.setQueued(from.in(job_state::QUEUED));
    row.setRunning(from.in(job_state::RUNNING));
    row.setSucceeded(from.in(job_state::SUCCEEDED));
    row.setFailed(from.in(job_state::FAILED));
    row.setCancelled(from.in(job_state::CANCELLED));
    row.setRejected(from.in(job_state::REJECTED));
    row.setRefusing(from.refusing);
}

// Bounded, so that no sum of it with a time overflows.
milliseconds ms(std::uint64_t v) {
    constexpr auto most = std::chrono::duration_cast<milliseconds>(limits::duration_max).count();
    return milliseconds{static_cast<std::int64_t>(std::min<std::uint64_t>(v, most))};
}

start_rate read_rate(rec::RateRow::Reader row) {
    return {std::min(row.getStarts(), limits::rate_starts_max),
            std::clamp(ms(row.getPerMs()), milliseconds{limits::rate_per_min}, milliseconds{limits::rate_per_max}),
            std::clamp(row.getBurst(), 1U, limits::rate_burst_max)};
}

keep_spec read_keep(rec::KeepRow::Reader row) {
    return {ms(row.getSucceededMs()), ms(row.getFailedMs()), ms(row.getCancelledMs()), ms(row.getRejectedMs())};
}

template <class Each>
void each_of_shard(read_tables& from, table t, shard_id shard, Each&& each) {
    const row_key prefix = keys::shard(shard);
    for (auto found = from.seek(t, prefix); found && has_prefix(found->key, prefix); found = from.next(t))
        each(*found);
}

} // namespace

bool tenant_entry::allows(const std::string& type_name) const {
    return all_types || std::ranges::find(spec.types, type_name) != spec.types.end();
}

void tenant_book::load(read_tables& from) {
    tenants_.clear();
    types_.clear();
    type_names_.clear();
    dirty_.clear();
    record_reader<rec::TenantRow> tenant_rows;
    each_of_shard(from, table::tenants, shard_, [&](const row& r) {
        key_reader k{r.key};
        k.u16();
        read_tenant(tenant_id{k.u32()}, tenant_rows.read(r.value));
    });
    record_reader<rec::TypeRow> type_rows;
    each_of_shard(from, table::types, shard_, [&](const row& r) {
        key_reader k{r.key};
        k.u16();
        read_type(type_id{k.u32()}, type_rows.read(r.value));
    });
    record_reader<rec::CountersRow> counter_rows;
    each_of_shard(from, table::counters, shard_, [&](const row& r) {
        key_reader k{r.key};
        k.u16();
        tenant_entry* t = tenant(tenant_id{k.u32()});
        type_entry* y = type(type_id{k.u32()});
        if (t == nullptr || y == nullptr) return;
        state_counts& c = t->types[y->id];
        read_counts(counter_rows.read(r.value), c);
        t->refusing = t->refusing || c.refusing;
        t->waiting += c.in(job_state::BLOCKED) + c.in(job_state::SCHEDULED) + c.in(job_state::QUEUED);
        t->queued += c.in(job_state::QUEUED);
        t->running += c.in(job_state::RUNNING);
        y->running += c.in(job_state::RUNNING);
    });
}

void tenant_book::flush(tables& to) {
    record_writer<rec::CountersRow> row;
    for (const auto& [t, y] : dirty_) {
        state_counts& c = tenants_.at(t).types.at(y);
        c.dirty = false;
        write_counts(c, row.init());
        row.put(to, table::counters, keys::counters(shard_, t, y));
    }
    dirty_.clear();
}

tenant_entry* tenant_book::tenant(tenant_id id) {
    const auto found = tenants_.find(id);
    return found == tenants_.end() ? nullptr : &found->second;
}

type_entry* tenant_book::type(type_id id) {
    const auto found = types_.find(id);
    return found == types_.end() ? nullptr : &found->second;
}

const type_entry* tenant_book::type_named(const std::string& name) const {
    const auto found = type_names_.find(name);
    return found == type_names_.end() ? nullptr : &types_.at(found->second);
}

bool tenant_book::declare_tenant(tables& to, tenant_id id, rec::TenantRow::Reader row) {
    if (const tenant_entry* known = tenant(id); known != nullptr && known->version >= row.getVersion())
        return false;
    record_writer<rec::TenantRow> writer;
    writer.set_from(row);
    writer.put(to, table::tenants, keys::tenant(shard_, id));
    read_tenant(id, row);
    return true;
}

bool tenant_book::declare_type(tables& to, type_id id, rec::TypeRow::Reader row) {
    const type_entry* known = type(id);
    if (known != nullptr && known->version >= row.getVersion()) return false;
    const bool same_key = known != nullptr && known->spec.concurrency.by == view(row.getKeyField());
    record_writer<rec::TypeRow> writer;
    writer.set_from(row);
    writer.get().setKeySince(same_key ? known->key_since : row.getVersion());
    writer.put(to, table::types, keys::type(shard_, id));
    read_type(id, writer.get().asReader());
    return true;
}

void tenant_book::read_tenant(tenant_id id, rec::TenantRow::Reader row) {
    tenant_entry& t = tenants_[id];
    t.id = id;
    t.version = row.getVersion();
    t.spec.name = row.getName().cStr();
    t.spec.weight = std::clamp(row.getWeight(), 1U, limits::tenant_weight_max);
    t.spec.running_max = row.getRunningMax();
    t.spec.queued_max = row.getQueuedMax();
    t.spec.paused = row.getPaused();
    t.spec.rate = read_rate(row.getRate());
    t.spec.keep = read_keep(row.getKeep());
    t.spec.types = texts_of(row.getTypes());
    t.all_types = std::ranges::find(t.spec.types, "*") != t.spec.types.end();
}

void tenant_book::read_type(type_id id, rec::TypeRow::Reader row) {
    type_entry& y = types_[id];
    if (const auto named = type_names_.find(y.spec.name); named != type_names_.end() && named->second == id)
        type_names_.erase(named);
    y.id = id;
    y.version = row.getVersion();
    y.spec.name = row.getName().cStr();
    type_names_[y.spec.name] = id;
    y.spec.executor =
        row.getExecutor() <= 2 ? static_cast<executor_kind>(row.getExecutor()) : executor_kind::worker;
    y.spec.attempts_max = std::clamp(row.getAttemptsMax(), 1U, limits::attempts_max);
    y.spec.retry = {ms(row.getRetryBaseMs()), ms(row.getRetryMaxMs())};
    y.spec.timeouts = {ms(row.getQueuedTimeoutMs()), ms(row.getAttemptTimeoutMs()), ms(row.getJobTimeoutMs()),
                       ms(row.getHeartbeatTimeoutMs()), ms(row.getCancelGraceMs())};
    y.spec.result_bytes_max = std::min<std::uint64_t>(row.getResultBytesMax(), limits::result_stored_size_max);
    y.spec.running_max = row.getRunningMax();
    y.spec.slots = std::clamp<std::uint32_t>(row.getSlots(), 1, limits::job_slots_max);
    y.spec.paused = row.getPaused();
    y.spec.concurrency = {std::string{view(row.getKeyField())}, row.getKeyRunningMax(),
                          read_rate(row.getKeyRate())};
    y.spec.workers = {texts_of(row.getWorkersRequire()), texts_of(row.getWorkersPrefer()),
                      !row.getWorkersSticky()      ? stickiness::none
                      : row.getWorkersStickyHard() ? stickiness::hard
                                                   : stickiness::soft};
    y.spec.logs = {};
    if (row.getLogLines() > 0) y.spec.logs.lines = std::min(row.getLogLines(), logs_spec{}.lines);
    y.spec.logs.bytes = row.getLogBytes();
    y.spec.logs.stored = row.getLogStored();
    y.key_since = row.getKeySince();
    y.unique_states = row.getUniqueStates();
    y.spec.unique.reset();
    if (row.getUnique()) {
        y.spec.unique =
            unique_spec{.by = texts_of(row.getUniqueBy()), .states = {}, .period = ms(row.getUniquePeriodMs())};
    }
}

void tenant_book::moved(tenant_entry& t, type_entry& y, std::optional<job_state> from, job_state to) {
    if (from) count(t, y, *from, -1);
    count(t, y, to, 1);
}

void tenant_book::count(tenant_entry& t, type_entry& y, job_state s, std::int64_t by) {
    state_counts& c = t.types[y.id];
    const auto delta = static_cast<std::uint64_t>(by); // wraps as it should
    c.by_state[index_of(s)] += delta;
    if (is_waiting(s)) t.waiting += delta;
    if (s == job_state::QUEUED) t.queued += delta;
    if (s == job_state::RUNNING) {
        t.running += delta;
        y.running += delta;
    }
    changed(t.id, y.id, c);
}

void tenant_book::changed(tenant_id t, type_id y, state_counts& c) {
    if (std::exchange(c.dirty, true)) return;
    dirty_.emplace_back(t, y);
}

bool tenant_book::count_anew(tenant_entry& t, const counted_jobs& jobs) {
    bool was_wrong = false;
    const auto set = [&](type_id y, const std::array<std::uint64_t, job_state_count>& to) {
        state_counts& c = t.types[y];
        if (c.by_state == to) return;
        c.by_state = to;
        was_wrong = true;
        changed(t.id, y, c);
    };
    for (const auto& [y, counts] : jobs) set(y, counts);
    for (const auto& [y, known] : t.types)
        if (!jobs.contains(y)) set(y, {});
    return was_wrong;
}

void tenant_book::refused(tenant_entry& t, type_entry& y) {
    state_counts& c = t.types[y.id];
    t.refusing = c.refusing = true;
    changed(t.id, y.id, c);
}

void tenant_book::accepted(tenant_entry& t) {
    if (!std::exchange(t.refusing, false)) return;
    for (auto& [type, c] : t.types)
        if (std::exchange(c.refusing, false)) changed(t.id, type, c);
}

} // namespace coppice
