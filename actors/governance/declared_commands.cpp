#include "actors/governance/declared_commands.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>

namespace coppice {
namespace {

std::uint64_t ms(milliseconds d) { return static_cast<std::uint64_t>(d.count()); }

void write_tenant(const declared_tenant& t, cmd::DeclareTenant::Builder to) {
    to.setTenant(t.id.value);
    auto row = to.initRow();
    row.setName(t.spec.name.c_str());
    row.setVersion(t.version);
    row.setWeight(t.spec.weight);
    row.setRunningMax(t.spec.running_max);
    row.setQueuedMax(t.spec.queued_max);
    auto types = row.initTypes(static_cast<unsigned>(t.spec.types.size()));
    for (unsigned i = 0; i < types.size(); ++i) types.set(i, t.spec.types[i].c_str());
}

void write_type(const declared_type& y, cmd::DeclareType::Builder to) {
    to.setType(y.id.value);
    auto row = to.initRow();
    row.setName(y.spec.name.c_str());
    row.setVersion(y.version);
    row.setExecutor(static_cast<std::uint8_t>(y.spec.executor));
    row.setAttemptsMax(y.spec.attempts_max);
    row.setRetryBaseMs(ms(y.spec.retry.base));
    row.setRetryMaxMs(ms(y.spec.retry.max));
    row.setQueuedTimeoutMs(ms(y.spec.timeouts.queued));
    row.setAttemptTimeoutMs(ms(y.spec.timeouts.attempt));
    row.setJobTimeoutMs(ms(y.spec.timeouts.job));
    row.setHeartbeatTimeoutMs(ms(y.spec.timeouts.heartbeat));
    row.setCancelGraceMs(ms(y.spec.timeouts.cancel_grace));
    row.setResultBytesMax(y.spec.result_bytes_max);
    row.setRunningMax(y.spec.running_max);
}

} // namespace

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

expected<void> put_row(const declared_row& row, const spec_readers& readers, catalog& into) {
    if (row.kind == tenant_kind) {
        auto tenant = read_tenant(row, readers);
        if (!tenant) return tl::unexpected(tenant.error());
        into.put(std::move(*tenant));
    } else if (row.kind == job_type_kind) {
        auto type = read_type(row, readers, into.type(row.name));
        if (!type) return tl::unexpected(type.error());
        into.put(std::move(*type));
    }
    return {};
}

proposal_ptr make_declarations(std::span<const type_ptr> types, std::span<const tenant_ptr> tenants, shard_id shard,
                               proposal::done_function done) {
    const std::size_t count = types.size() + tenants.size();
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(count));
    unsigned at = 0;
    for (const type_ptr& type : types) write_type(*type, commands[at++].initDeclareType());
    for (const tenant_ptr& tenant : tenants) write_tenant(*tenant, commands[at++].initDeclareTenant());
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), count, false, std::move(done), shard);
}

} // namespace coppice
