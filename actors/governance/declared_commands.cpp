#include "actors/governance/declared_commands.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "schema/wire_text.hpp"

namespace coppice {
namespace {

std::uint64_t ms(milliseconds d) { return static_cast<std::uint64_t>(d.count()); }

void write_rate(const start_rate& rate, rec::RateRow::Builder to) {
    to.setStarts(rate.starts);
    to.setPerMs(ms(rate.per));
    to.setBurst(rate.burst);
}

void write_unique(const unique_spec& unique, rec::TypeRow::Builder to) {
    std::uint16_t states = 0;
    for (const job_state s : unique.states) states = static_cast<std::uint16_t>(states | 1U << index_of(s));
    to.setUnique(true);
    to.setUniqueStates(states);
    to.setUniquePeriodMs(ms(unique.period));
    write_texts(unique.by, to.initUniqueBy(static_cast<unsigned>(unique.by.size())));
}

void write_keep(const keep_spec& keep, rec::KeepRow::Builder to) {
    to.setSucceededMs(ms(keep.succeeded));
    to.setFailedMs(ms(keep.failed));
    to.setCancelledMs(ms(keep.cancelled));
    to.setRejectedMs(ms(keep.rejected));
}

} // namespace

void write_row(const tenant_spec& spec, std::uint64_t version, rec::TenantRow::Builder row) {
    row.setName(spec.name.c_str());
    row.setVersion(version);
    row.setWeight(spec.weight);
    row.setRunningMax(spec.running_max);
    row.setQueuedMax(spec.queued_max);
    row.setPaused(spec.paused);
    if (spec.rate.bounds()) write_rate(spec.rate, row.initRate());
    if (spec.keep.bounds()) write_keep(spec.keep, row.initKeep());
    write_texts(spec.types, row.initTypes(static_cast<unsigned>(spec.types.size())));
}

void write_row(const job_type_spec& spec, std::uint64_t version, rec::TypeRow::Builder row) {
    row.setName(spec.name.c_str());
    row.setVersion(version);
    row.setExecutor(static_cast<std::uint8_t>(spec.executor));
    row.setAttemptsMax(spec.attempts_max);
    row.setRetryBaseMs(ms(spec.retry.base));
    row.setRetryMaxMs(ms(spec.retry.max));
    row.setQueuedTimeoutMs(ms(spec.timeouts.queued));
    row.setAttemptTimeoutMs(ms(spec.timeouts.attempt));
    row.setJobTimeoutMs(ms(spec.timeouts.job));
    row.setHeartbeatTimeoutMs(ms(spec.timeouts.heartbeat));
    row.setCancelGraceMs(ms(spec.timeouts.cancel_grace));
    row.setResultBytesMax(spec.result_bytes_max);
    row.setRunningMax(spec.running_max);
    row.setSlots(static_cast<std::uint16_t>(spec.slots > 1 ? spec.slots : 0));
    row.setPaused(spec.paused);
    if (!spec.concurrency.by.empty()) {
        row.setKeyField(spec.concurrency.by.c_str());
        row.setKeyRunningMax(spec.concurrency.running_max);
        if (spec.concurrency.rate.bounds()) write_rate(spec.concurrency.rate, row.initKeyRate());
    }
    if (spec.logs.lines != logs_spec{}.lines) row.setLogLines(spec.logs.lines);
    row.setLogBytes(spec.logs.bytes);
    row.setLogStored(spec.logs.stored);
    if (spec.unique) write_unique(*spec.unique, row);
    if (!spec.workers.require.empty())
        write_texts(spec.workers.require,
                    row.initWorkersRequire(static_cast<unsigned>(spec.workers.require.size())));
    row.setWorkersSticky(spec.workers.sticky != stickiness::none);
    row.setWorkersStickyHard(spec.workers.sticky == stickiness::hard);
    if (!spec.workers.prefer.empty())
        write_texts(spec.workers.prefer, row.initWorkersPrefer(static_cast<unsigned>(spec.workers.prefer.size())));
}

void write_row(const schedule_spec& spec, std::uint64_t version, tenant_id tenant, rec::ScheduleRow::Builder row) {
    row.setName(spec.name.c_str());
    row.setVersion(version);
    row.setTenant(tenant.value);
    row.setType(spec.type.c_str());
    row.setPayload(data_of(spec.payload));
    row.setPriority(static_cast<std::uint8_t>(spec.priority));
    row.setCron(spec.timing.cron.c_str());
    row.setZone(spec.timing.zone.c_str());
    row.setEveryMs(ms(spec.timing.every));
    row.setOverlap(static_cast<std::uint8_t>(spec.overlap));
    row.setMissedPolicy(static_cast<std::uint8_t>(spec.missed));
    row.setCatchUpMs(ms(spec.catch_up));
    row.setJitterMs(ms(spec.jitter));
    row.setPaused(spec.paused);
}

std::vector<owned_schedule> schedules_of(const catalog& all, shard_id shard, std::size_t shards) {
    std::vector<owned_schedule> found;
    for (const auto& [name, schedule] : all.schedules) {
        const declared_tenant* tenant = all.tenant(schedule->spec.tenant);
        if (tenant != nullptr && shard_of(tenant->id, shards) == shard) found.push_back({schedule, tenant->id});
    }
    return found;
}

expected<tenant_ptr> read_tenant(const declared_row& row, const spec_readers& readers) {
    auto spec = readers.tenant(row.spec);
    if (!spec) return tl::unexpected(spec.error());
    spec->name = row.name;
    return std::make_shared<const declared_tenant>(
        declared_tenant{tenant_id{row.number}, row.version, std::move(*spec)});
}

expected<type_ptr> read_type(const declared_row& row, const spec_readers& readers, const declared_type* former) {
    auto spec = readers.job_type(row.spec);
    if (!spec) return tl::unexpected(spec.error());
    spec->name = row.name;
    declared_type type{type_id{row.number}, row.version, std::move(*spec), std::nullopt};
    if (former != nullptr && former->schema && former->spec.schema == type.spec.schema) {
        type.schema = former->schema;
    } else if (!type.spec.schema.empty()) {
        auto schema = compiled_schema::compile(type.spec.schema);
        if (!schema) return tl::unexpected(schema.error());
        type.schema = std::move(*schema);
    }
    return std::make_shared<const declared_type>(std::move(type));
}

expected<schedule_ptr> read_schedule(const declared_row& row, const spec_readers& readers) {
    auto spec = readers.schedule(row.spec);
    if (!spec) return tl::unexpected(spec.error());
    spec->name = row.name;
    return std::make_shared<const declared_schedule>(
        declared_schedule{schedule_id{row.number}, row.version, std::move(*spec)});
}

expected<void> put_row(const declared_row& row, const spec_readers& readers, catalog& into) {
    if (row.kind == tenant_kind) {
        auto tenant = read_tenant(row, readers);
        if (!tenant) return tl::unexpected(tenant.error());
        into.put(std::move(*tenant));
    } else if (row.kind == job_type_kind) {
        auto type = read_type(row, readers, into.type(row.name));
        if (!type) return tl::unexpected(type.error());
        into.put(std::move(*type));
    } else if (row.kind == schedule_kind) {
        auto schedule = read_schedule(row, readers);
        if (!schedule) return tl::unexpected(schedule.error());
        into.put(std::move(*schedule));
    }
    return {};
}

proposal_ptr make_declarations(const declarations& what, shard_id shard, proposal::done_function done) {
    const std::size_t count = what.types.size() + what.tenants.size() + what.schedules.size();
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(count));
    unsigned at = 0;
    for (const type_ptr& type : what.types) {
        auto to = commands[at++].initDeclareType();
        to.setType(type->id.value);
        write_row(type->spec, type->version, to.initRow());
    }
    for (const tenant_ptr& tenant : what.tenants) {
        auto to = commands[at++].initDeclareTenant();
        to.setTenant(tenant->id.value);
        write_row(tenant->spec, tenant->version, to.initRow());
    }
    for (const owned_schedule& each : what.schedules) {
        auto to = commands[at++].initDeclareSchedule();
        to.setSchedule(each.schedule->id.value);
        write_row(each.schedule->spec, each.schedule->version, each.tenant, to.initRow());
    }
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), count, false, std::move(done), shard);
}

} // namespace coppice
