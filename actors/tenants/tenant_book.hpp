// What a shard knows of its tenants and job types while it decides: their declarations, and how many jobs each has
// in each state. A cache of the tables `tenants`, `types` and `counters`: loaded when the shard opens, changed by
// apply, and written back once a batch, so that a thousand jobs of one tenant cost one counter row. Pure; not
// thread-safe.
//
// Invariant: after `flush`, `load` from the same tables would give the same book.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/jobs/job_state.hpp"
#include "actors/jobs/job_type_spec.hpp"
#include "actors/tenants/tenant_spec.hpp"
#include "persistence/tables.hpp"
#include "schema/ids.hpp"

namespace coppice {

struct type_entry {
    type_id id{};
    std::uint64_t version = 0;
    job_type_spec spec;          // without argv and schema, which only executor and edge need
    std::uint64_t running = 0;   // over all tenants
    std::uint64_t key_since = 0; // rec::TypeRow::keySince
    std::uint16_t unique_states = 0;
    bool keyed() const { return !spec.concurrency.by.empty(); }
    bool answers_for_likes_in(job_state s) const { return (unique_states >> index_of(s) & 1) != 0; }
    bool may_run_one_more() const { return spec.running_max == 0 || running < spec.running_max; }
};

struct state_counts {
    std::array<std::uint64_t, job_state_count> by_state{};
    bool refusing = false; // see tenant_entry::refusing; the row of the type that was refused keeps it
    bool dirty = false;
    std::uint64_t in(job_state s) const { return by_state[index_of(s)]; }
};

struct tenant_entry {
    tenant_id id{};
    std::uint64_t version = 0;
    tenant_spec spec;
    bool all_types = false;
    bool refusing = false; // its last submission met a full queue; evidence of that is given once
    std::map<type_id, state_counts> types;
    std::uint64_t waiting = 0;
    std::uint64_t queued = 0;
    std::uint64_t running = 0;

    bool allows(const std::string& type_name) const;
};

class tenant_book {
  public:
    explicit tenant_book(shard_id shard) : shard_(shard) {}

    void load(read_tables& from);
    // Writes the counters that changed.
    void flush(tables& to);

    // Null when not declared. Pointers stay valid until the next load.
    tenant_entry* tenant(tenant_id id);
    type_entry* type(type_id id);
    const type_entry* type_named(const std::string& name) const;
    const std::unordered_map<tenant_id, tenant_entry>& tenants() const { return tenants_; }
    const std::unordered_map<type_id, type_entry>& types() const { return types_; }

    // Whether the row was newer than what was known.
    bool declare_tenant(tables& to, tenant_id id, rec::TenantRow::Reader row);
    bool declare_type(tables& to, type_id id, rec::TypeRow::Reader row);

    // A job of this tenant and type went from one state to another; nullopt: it was not there before.
    void moved(tenant_entry& t, type_entry& y, std::optional<job_state> from, job_state to);
    // A job that was in this state is there no longer.
    void erased(tenant_entry& t, type_entry& y, job_state was) { count(t, y, was, -1); }
    // How many jobs there really are; types that are not named have none. Whether anything was another number. The
    // sums over types and tenants are right after the next load.
    using counted_jobs = std::map<type_id, std::array<std::uint64_t, job_state_count>>;
    bool count_anew(tenant_entry& t, const counted_jobs& jobs);
    // A submission of this type met a full queue; a submission was taken again.
    void refused(tenant_entry& t, type_entry& y);
    void accepted(tenant_entry& t);

  private:
    void read_tenant(tenant_id id, rec::TenantRow::Reader row);
    void read_type(type_id id, rec::TypeRow::Reader row);
    void count(tenant_entry& t, type_entry& y, job_state s, std::int64_t by);
    void changed(tenant_id t, type_id y, state_counts& c);

    shard_id shard_;
    std::unordered_map<tenant_id, tenant_entry> tenants_;
    std::unordered_map<type_id, type_entry> types_;
    std::unordered_map<std::string, type_id> type_names_;
    std::vector<std::pair<tenant_id, type_id>> dirty_;
};

} // namespace coppice
