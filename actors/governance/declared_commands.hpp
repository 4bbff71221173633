// From declared rows to what is in force: a row read as a tenant or a job type, and the commands by which a shard
// is told of them. Both control actors use it, the single node's and the cluster's. Pure but for the callback that
// a proposal carries.
#pragma once

#include <memory>
#include <span>

#include "actors/governance/catalog.hpp"
#include "actors/governance/control_machine.hpp"
#include "actors/journal/proposal.hpp"

namespace coppice {

using tenant_ptr = std::shared_ptr<const declared_tenant>;
using type_ptr = std::shared_ptr<const declared_type>;
using schedule_ptr = std::shared_ptr<const declared_schedule>;

// A schedule, and whose it is by number.
struct owned_schedule {
    schedule_ptr schedule;
    tenant_id tenant{};
};
// Those of one shard, of `shards`, whose tenants are declared.
std::vector<owned_schedule> schedules_of(const catalog& all, shard_id shard, std::size_t shards);

// Errors: what the reader says of the spec; of a type, schema_invalid too.
expected<tenant_ptr> read_tenant(const declared_row& row, const spec_readers& readers);
// `former`: what the row was read as before, or null; its compiled schema is used when the text is the same.
expected<type_ptr> read_type(const declared_row& row, const spec_readers& readers, const declared_type* former);
expected<schedule_ptr> read_schedule(const declared_row& row, const spec_readers& readers);
// A row of another kind changes nothing.
expected<void> put_row(const declared_row& row, const spec_readers& readers, catalog& into);

// A spec as a shard has it.
void write_row(const tenant_spec& spec, std::uint64_t version, rec::TenantRow::Builder row);
void write_row(const job_type_spec& spec, std::uint64_t version, rec::TypeRow::Builder row);
void write_row(const schedule_spec& spec, std::uint64_t version, tenant_id tenant, rec::ScheduleRow::Builder row);

struct declarations {
    std::vector<type_ptr> types;
    std::vector<tenant_ptr> tenants;
    std::vector<owned_schedule> schedules;
};
// Types first, then tenants, then schedules, a command each; rows that the shard has already change nothing. At
// least one.
proposal_ptr make_declarations(const declarations& what, shard_id shard, proposal::done_function done);

} // namespace coppice
