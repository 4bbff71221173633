#include "runtime/observability/node_metrics.hpp"

#include <algorithm>
#include <exception>

#include "runtime/observability/queue_age.hpp"

namespace coppice {
namespace {

using samples = std::vector<metric_sample>;
using tenant_jobs = commit_meter::tenant_jobs;

constexpr std::array waiting_states{job_state::BLOCKED, job_state::SCHEDULED, job_state::QUEUED};
constexpr std::array running_states{job_state::RUNNING};
constexpr std::array ended_states{job_state::SUCCEEDED, job_state::FAILED, job_state::CANCELLED,
                                  job_state::REJECTED};

double as_double(std::uint64_t v) { return static_cast<double>(v); }

std::uint64_t jobs_in(const tenant_jobs& t, std::span<const job_state> states) {
    std::uint64_t sum = 0;
    for (const job_state s : states) sum += t.by_state[index_of(s)];
    return sum;
}

// Those with the most jobs in `states` first, at most metric_series_shown of them in order.
std::vector<const tenant_jobs*> greatest_first(const std::vector<tenant_jobs>& tenants,
                                               std::span<const job_state> states) {
    std::vector<std::pair<std::uint64_t, const tenant_jobs*>> order;
    order.reserve(tenants.size());
    for (const tenant_jobs& t : tenants) order.emplace_back(jobs_in(t, states), &t);
    const auto shown = static_cast<std::ptrdiff_t>(std::min(limits::metric_series_shown, order.size()));
    std::ranges::partial_sort(order, order.begin() + shown, [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second->name < b.second->name;
    });
    std::vector<const tenant_jobs*> sorted;
    sorted.reserve(order.size());
    for (const auto& [count, t] : order) sorted.push_back(t);
    return sorted;
}

// Labels: the tenant, and the state when there are several. What the registry would fold is summed up here already:
// ten thousand tenants are ten thousand texts otherwise.
samples by_tenant(const std::vector<tenant_jobs>& tenants, std::span<const job_state> states) {
    samples found;
    const auto add = [&](std::string_view name, job_state s, std::uint64_t count) {
        metric_sample& sample = found.emplace_back(metric_sample{{std::string{name}}, as_double(count)});
        if (states.size() > 1) sample.labels.emplace_back(to_string(s));
    };
    const auto order = greatest_first(tenants, states);
    const std::size_t shown = std::min(limits::metric_series_shown, order.size());
    for (const tenant_jobs* t : std::span{order}.first(shown))
        for (const job_state s : states) add(t->name, s, t->by_state[index_of(s)]);
    if (shown == order.size()) return found;
    for (const job_state s : states) {
        std::uint64_t rest = 0;
        for (const tenant_jobs* t : std::span{order}.subspan(shown)) rest += t->by_state[index_of(s)];
        add("other", s, rest);
    }
    return found;
}

double seconds_between(instant from, instant to) {
    return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

std::unique_ptr<read_transaction> begin_read(store* data) { return data->begin_read(); }

} // namespace

node_metrics::node_metrics(metrics_sources sources)
    : sources_(std::move(sources)), meter_(registry_, *begin_read(sources_.data), sources_.shard),
      logins_refused_(registry_.make_counter("operations_login_refusals_total", "Logins that were refused.")),
      faults_(registry_.make_counter("operations_metrics_faults_total",
                                     "Sources that could not be looked at for a scrape.")) {
    stores_.push_back({"data", sources_.data, {}});
    if (sources_.control != nullptr) stores_.push_back({"control", sources_.control, {}});
    register_jobs();
    register_workers_and_edge();
    register_actors();
    register_stores();
    register_process();
}

std::string node_metrics::render() {
    const std::scoped_lock lock{rendering_};
    look();
    return registry_.render();
}

// ---- what there is to see

void node_metrics::register_jobs() {
    registry_.collect_gauges(
        {"operations_queue_depth", "Jobs that wait, by tenant and what for.", {"tenant", "state"}},
        [this] { return by_tenant(tenants_, waiting_states); });
    registry_.collect_gauges({"operations_jobs_running", "Jobs that run.", {"tenant"}},
                             [this] { return by_tenant(tenants_, running_states); });
    registry_.collect_gauges({"operations_jobs_ended",
                              "Ended jobs that the store has counted; a restart keeps them.",
                              {"tenant", "state"}},
                             [this] { return by_tenant(tenants_, ended_states); });
    registry_.collect_gauges({"operations_queue_oldest_age_seconds",
                              "How long the first of a tenant's queue has been ready.",
                              {"tenant"}},
                             [this] { return oldest_; });
}

void node_metrics::register_workers_and_edge() {
    registry_.collect_gauges(
        {"operations_worker_sessions", "Sessions of workers, the node's own included.", {"state"}}, [this] {
            return samples{{{"attached"}, as_double(workers_.attached)},
                           {{"draining"}, as_double(workers_.draining)}};
        });
    registry_.collect_gauges({"operations_worker_slots", "Slots of workers that take work.", {"state"}}, [this] {
        return samples{{{"free"}, as_double(workers_.free_slots)},
                       {{"used"}, as_double(workers_.slots - workers_.free_slots)}};
    });
    registry_.collect_gauges({"operations_proposals_in_flight", "Proposals on their way to the journal.", {}},
                             [this] {
                                 return samples{{{}, sources_.gate ? as_double(sources_.gate->count()) : 0}};
                             });
    registry_.collect_counter("operations_proposals_refused_total",
                              "Proposals refused because too many were on their way.",
                              [this] { return sources_.gate ? sources_.gate->refused() : 0; });
    registry_.collect_gauges({"operations_rpc_connections", "Open RPC connections.", {}}, [this] {
        return samples{{{}, sources_.rpc_connections ? as_double(sources_.rpc_connections()) : 0}};
    });
    const auto spans = [this](auto which) {
        return [this, which] { return sources_.spans ? (*sources_.spans.*which).load() : 0; };
    };
    registry_.collect_counter("operations_spans_sent_total", "Spans that the collector took.",
                              spans(&span_totals::sent));
    registry_.collect_counter("operations_spans_dropped_total",
                              "Spans that the collector did not take, or that were too many.",
                              spans(&span_totals::dropped));
    registry_.collect_gauges(
        {"operations_starts_per_second_max", "How fast the node may start jobs; +Inf: no bound.", {}}, [this] {
            const start_valve::setting is = sources_.valve ? sources_.valve->get() : start_valve::setting{};
            const double bound = is.per_second > 0 ? is.per_second : std::numeric_limits<double>::infinity();
            return samples{{{}, is.closed ? 0 : bound}};
        });
    const auto audit = [this] { return sources_.newest_audit ? sources_.newest_audit() : audit_summary{}; };
    registry_.collect_counter("operations_store_audits_total", "Walks of the node over its own store.",
                              [audit] { return audit().walks; });
    registry_.collect_gauges({"operations_store_audit_findings", "What the newest walk found to be wrong.", {}},
                             [audit] {
                                 return samples{{{}, as_double(audit().findings)}};
                             });
    registry_.collect_gauges({"operations_store_audit_rows", "Rows that the newest walk looked at.", {}}, [audit] {
        return samples{{{}, as_double(audit().rows)}};
    });
    const auto results = [this](const std::atomic<std::uint64_t> result_totals::*which) {
        return [this, which]() -> std::uint64_t {
            return sources_.results ? (sources_.results->totals().*which).load() : 0;
        };
    };
    registry_.collect_counter("operations_results_stored_total", "Results that were put into the result store.",
                              results(&result_totals::stored));
    registry_.collect_counter("operations_results_stored_bytes_total", "Bytes of those.",
                              results(&result_totals::stored_bytes));
    registry_.collect_counter("operations_results_fetched_total", "Results that were got from the result store.",
                              results(&result_totals::fetched));
    registry_.collect_counter("operations_results_dropped_total",
                              "Results that were removed from the result store.", results(&result_totals::dropped));
    registry_.collect_counter("operations_result_store_failures_total",
                              "Calls of the result store that failed, or gave other bytes than were stored.",
                              results(&result_totals::failures));
    registry_.collect_counter("operations_log_lines_lost_total",
                              "Lines of the node's log that could not be written.",
                              [this] { return sources_.log ? sources_.log->lines_lost() : 0; });
}

void node_metrics::register_actors() {
    const auto each = [this](auto value) {
        return [this, value] {
            samples found;
            for (const tree_row& r : actors_) found.push_back({{r.path}, as_double(value(r))});
            return found;
        };
    };
    registry_.collect_gauges({"operations_actor_mailbox_messages", "Messages that wait for an actor.", {"actor"}},
                             each([](const tree_row& r) { return r.mailbox; }));
    registry_.collect_counters({"operations_actor_messages_total", "Messages that an actor handled.", {"actor"}},
                               each([](const tree_row& r) { return r.handled; }));
    registry_.collect_counters({"operations_actor_restarts_total", "Restarts by an actor's supervisor.", {"actor"}},
                               each([](const tree_row& r) { return std::uint64_t{r.restarts}; }));
}

void node_metrics::register_stores() {
    const auto each = [this](auto value) {
        return [this, value] {
            samples found;
            for (const named_store& s : stores_) found.push_back({{s.name}, as_double(value(s.stats))});
            return found;
        };
    };
    registry_.collect_gauges({"operations_store_map_bytes", "The most that a store may grow to.", {"store"}},
                             each([](const store_stats& s) { return s.map_bytes; }));
    registry_.collect_gauges(
        {"operations_store_used_bytes", "Pages in use, those on the free list not.", {"store"}},
        each([](const store_stats& s) { return s.used_bytes; }));
    registry_.collect_gauges(
        {"operations_store_free_bytes", "Pages on the free list, to be used again.", {"store"}},
        each([](const store_stats& s) { return s.free_bytes; }));
    registry_.collect_gauges({"operations_store_readers", "Read transactions that are open.", {"store"}},
                             each([](const store_stats& s) { return std::uint64_t{s.readers}; }));
    registry_.collect_gauges(
        {"operations_store_oldest_reader_lag", "Commits since the oldest open read transaction began.", {"store"}},
        each([](const store_stats& s) { return s.oldest_reader_lag; }));
}

void node_metrics::register_process() {
    const auto each = [this](auto value) { return [this, value] { return samples{{{}, value(process_)}}; }; };
    registry_.collect_counters({"process_cpu_seconds_total", "User and system time.", {}},
                               each([](const process_stats& p) { return p.cpu_seconds; }));
    registry_.collect_gauges({"process_virtual_memory_bytes", "Address space, the stores' maps included.", {}},
                             each([](const process_stats& p) { return as_double(p.virtual_bytes); }));
    registry_.collect_gauges(
        {"process_resident_memory_bytes", "Memory in RAM, cached pages of stores included.", {}},
        each([](const process_stats& p) { return as_double(p.resident_bytes); }));
    registry_.collect_gauges({"process_anonymous_memory_bytes", "Memory in RAM that no file backs.", {}},
                             each([](const process_stats& p) { return as_double(p.anonymous_bytes); }));
    registry_.collect_gauges({"process_open_fds", "Open file descriptors.", {}},
                             each([](const process_stats& p) { return as_double(p.open_fds); }));
    registry_.collect_gauges({"process_max_fds", "The most that may be open.", {}},
                             each([](const process_stats& p) { return as_double(p.max_fds); }));
    registry_.collect_gauges({"process_threads", "Threads of the process.", {}},
                             each([](const process_stats& p) { return as_double(p.threads); }));
    registry_.make_gauge("process_start_time_seconds", "When the process was started, since the epoch.")
        .set(seconds_between(never, process_start_time()));
}

// ---- a look at everything, once a scrape

void node_metrics::look() {
    look_at_tenants();
    workers_ = meter_.workers();
    process_ = read_process_stats();
    look_at_queues();
    look_at_actors();
    for (named_store& s : stores_) {
        try {
            s.stats = s.of->stats();
        } catch (const std::exception&) {
            s.stats = {};
            faults_.increment();
        }
    }
}

void node_metrics::look_at_tenants() {
    if (!sources_.leads) {
        tenants_ = meter_.tenants();
        return;
    }
    tenants_.clear();
    books_.clear();
    try {
        const auto tables = sources_.data->begin_read();
        for (const shard_id shard : all_shards(sources_.shards))
            if (sources_.leads(shard)) books_.emplace_back(shard).load(*tables);
    } catch (const std::exception&) {
        books_.clear();
        faults_.increment();
    }
    for (const tenant_book& book : books_)
        for (const auto& [id, entry] : book.tenants()) {
            if (entry.types.empty()) continue;
            tenant_jobs& jobs = tenants_.emplace_back(tenant_jobs{entry.spec.name, id, {}});
            for (const auto& [type, counts] : entry.types)
                for (std::size_t s = 0; s < job_state_count; ++s) jobs.by_state[s] += counts.by_state[s];
        }
}

void node_metrics::look_at_queues() {
    oldest_.clear();
    const std::array queued{job_state::QUEUED};
    const auto order = greatest_first(tenants_, queued);
    std::size_t budget = limits::metric_queue_heads_max;
    try {
        const auto tables = sources_.data->begin_read();
        const instant now = sources_.clock();
        for (const tenant_jobs* t : std::span{order}.first(std::min(limits::metric_series_shown, order.size()))) {
            const shard_id shard = sources_.leads ? shard_of(t->id, sources_.shards) : sources_.shard;
            const auto oldest = oldest_ready(*tables, shard, t->id, budget);
            oldest_.push_back({{std::string{t->name}}, oldest ? seconds_between(*oldest, now) : 0});
        }
    } catch (const std::exception&) {
        oldest_.clear();
        faults_.increment();
    }
}

void node_metrics::look_at_actors() {
    actors_.clear();
    if (!sources_.tree) return;
    for (const std::string& path : sources_.actors)
        for (tree_row& row : sources_.tree->snapshot(path, 1))
            if (!row.cut && row.path == path) actors_.push_back(std::move(row));
}

} // namespace coppice
