// What the journal's commits did, counted: jobs by tenant and type, attempts, commits, workers.
//
// Intuition: a turnstile beside the journal. Each commit walks past it once; it clicks, and the journal goes on. A
// click is a look into a small map and an add: no lock, no text, no allocation, but for the first job of a tenant
// or type, which makes its counters.
//
// Two kinds of number come of it:
//  - counters and histograms begin at zero with the process, as Prometheus expects of counters;
//  - jobs by tenant and state begin with what the store's own counters say, follow every commit by its changes, and
//    so always equal the store: they survive a restart, and nothing of the shard's machine is shared to have them.
//
// Threads: `committed` and `workers_changed` belong to the journal's; `tenants` and `workers` are for any.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "actors/journal/group_commit.hpp"
#include "runtime/observability/prometheus.hpp"

namespace coppice {

class commit_meter {
  public:
    // A tenant's jobs in the store, by job_state. `name` lives as long as the meter.
    struct tenant_jobs {
        std::string_view name;
        tenant_id id{};
        std::array<std::uint64_t, job_state_count> by_state{};
    };
    // Sessions of workers, and the slots of those that take work.
    struct worker_totals {
        std::uint64_t attached = 0;
        std::uint64_t draining = 0;
        std::uint64_t slots = 0;
        std::uint64_t free_slots = 0;
    };

    // Registers its families in `registry`, which outlives it. `from`: the store as it is before the first commit
    // that is counted; reads the counters of all tenants.
    commit_meter(metrics_registry& registry, read_tables& from, shard_id shard);
    commit_meter(const commit_meter&) = delete;
    commit_meter& operator=(const commit_meter&) = delete;

    // Every commit, once, in order.
    void committed(const commit_report& report);
    void workers_changed(const slot_pool& pool, shard_id shard);

    // Tenants that have, or had, a job.
    std::vector<tenant_jobs> tenants() const;
    worker_totals workers() const;

  private:
    struct pool_totals;
    pool_totals& pool_of(shard_id shard);
    // What can happen to a job, as the label `state` of operations_jobs_total has it.
    static constexpr std::size_t happening_count = 6;
    static constexpr std::size_t outcome_count = 5;
    // Null until the first time.
    using happenings = std::array<counter*, happening_count>;

    struct tenant_tally {
        std::string name;
        tenant_id id{};
        std::array<std::atomic<std::uint64_t>, job_state_count> by_state{}; // written by the journal's thread alone
        happenings jobs{};
        counter* failed = nullptr;
        histogram* scheduling = nullptr;
    };
    struct type_tally {
        std::string name;
        happenings jobs{};
        std::array<counter*, outcome_count> attempts{};
        counter* retries = nullptr;
        histogram* run = nullptr;
    };

    void count_results(const batch_output& output);
    void count_change(const change_effect& change, const tenant_book& book);
    static void add(tenant_tally& t, job_state s, std::uint64_t by);
    void count_start(const start_effect& start, const tenant_book& book);
    void count_end(const end_effect& end, const tenant_book& book);
    tenant_tally& tenant(tenant_id id, const tenant_book& book);
    type_tally& type(type_id id, const tenant_book& book);
    tenant_tally& add_tenant(tenant_id id, std::string name);

    counter_family& jobs_;
    counter_family& jobs_by_type_;
    counter_family& jobs_failed_;
    counter_family& attempts_;
    counter_family& retries_;
    histogram_family& scheduling_;
    histogram_family& run_;
    counter& stale_reports_;
    histogram& batch_commands_;
    histogram& apply_;
    histogram& commit_;
    std::vector<counter*> results_by_code_; // by number of errc
    std::vector<counter*> errors_by_code_;

    // The journal's thread.
    std::unordered_map<tenant_id, tenant_tally*> by_tenant_;
    std::unordered_map<type_id, type_tally> by_type_;
    std::vector<std::uint64_t> results_now_; // of the commit at hand, by number of errc

    mutable std::mutex growing_; // of the deque's structure, not of what is in it; taken for a new tenant only
    std::deque<tenant_tally> tallies_;
    struct pool_totals {
        std::atomic<std::uint64_t> attached{0}, draining{0}, slots{0}, free_slots{0};
    };
    std::map<shard_id, pool_totals> pools_; // as tallies_; each shard knows the same workers, and has its own slots
};

} // namespace coppice
