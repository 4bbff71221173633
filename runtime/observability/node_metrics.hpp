// Everything that a node tells Prometheus; METRICS.md says what each of it means and what to do about it.
//
// Two ways in: what happens is counted as it happens (commit_meter, on the journal's thread; logins), and what
// simply is (depths, stores, actors, the process) is looked at once for each scrape, before the text is made, so
// that the numbers of one scrape belong together.
//
// Bounds: what a scrape looks at does not grow with jobs; it grows with tenants, by some 100 ns each, of which
// limits::metric_series_shown are named. A store that cannot be read costs its own numbers, not the scrape, and
// shows as operations_metrics_faults_total.
#pragma once

#include <mutex>
#include <optional>

#include "actors/jobs/start_valve.hpp"
#include "actors/jobs/store_check.hpp"
#include "actors/supervision/actor_tree.hpp"
#include "runtime/observability/commit_meter.hpp"
#include "runtime/observability/log.hpp"
#include "runtime/observability/process_stats.hpp"
#include "runtime/observability/spans.hpp"
#include "runtime/results/result_desk.hpp"

namespace coppice {

// What there is to look at; all of it outlives the metrics. Null or empty: the node has none, its numbers are 0.
struct metrics_sources {
    store* data = nullptr; // needed
    store* control = nullptr;
    shard_id shard{};       // of a node alone
    std::size_t shards = 1; // of the cluster
    // In a cluster: whether this node leads the shard. Jobs are shown where they are led, so that the sum over all
    // nodes is right; and read from the store, as those of a shard that another node led a moment ago.
    std::function<bool(shard_id)> leads;
    std::shared_ptr<const inflight_gate> gate;
    std::shared_ptr<const actor_tree> tree;
    std::vector<std::string> actors; // paths in the tree of those that are always there: "node/journal-data"
    std::optional<logger> log;
    std::function<std::size_t()> rpc_connections; // called by render, on its thread
    std::shared_ptr<const span_totals> spans;
    std::function<audit_summary()> newest_audit;
    std::shared_ptr<const start_valve> valve;
    std::shared_ptr<const result_desk> results; // null: no result store
    std::function<instant()> clock = wall_clock_now;
};

class node_metrics {
  public:
    // Before the journal of `sources.data` starts: reads the counters of all tenants there. Throws what begin_read
    // throws.
    explicit node_metrics(metrics_sources sources);
    node_metrics(const node_metrics&) = delete;
    node_metrics& operator=(const node_metrics&) = delete;

    // The journal's thread: journal_options::on_commit and on_workers.
    void committed(const commit_report& report) { meter_.committed(report); }
    void workers_changed(const slot_pool& pool) { meter_.workers_changed(pool, sources_.shard); }
    void workers_changed(const slot_pool& pool, shard_id shard) { meter_.workers_changed(pool, shard); }
    // Any thread.
    void login_refused() { logins_refused_.increment(); }
    // For whoever has more to count. Names begin with "operations_"; each gets its row in METRICS.md.
    metrics_registry& registry() { return registry_; }

    // The text of a scrape, of type metrics_content_type. Some milliseconds; any thread, one at a time.
    std::string render();

  private:
    struct named_store {
        std::string name;
        store* of = nullptr;
        store_stats stats;
    };

    void register_jobs();
    void register_workers_and_edge();
    void register_actors();
    void register_stores();
    void register_process();

    void look();
    void look_at_tenants();
    void look_at_queues();
    void look_at_actors();

    metrics_sources sources_;
    metrics_registry registry_;
    commit_meter meter_;
    counter& logins_refused_;
    counter& faults_;

    std::mutex rendering_;           // and what one scrape sees:
    std::vector<tenant_book> books_; // of the shards led here; what tenants_ names lives in them
    std::vector<commit_meter::tenant_jobs> tenants_;
    commit_meter::worker_totals workers_;
    std::vector<metric_sample> oldest_;
    std::vector<tree_row> actors_;
    std::vector<named_store> stores_;
    process_stats process_;
};

} // namespace coppice
