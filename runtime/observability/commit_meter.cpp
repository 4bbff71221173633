#include "runtime/observability/commit_meter.hpp"

#include <algorithm>

namespace coppice {
namespace {

enum happening : std::size_t { submitted, started, succeeded, failed, cancelled, rejected };
constexpr std::array<std::string_view, 6> happening_words{"submitted", "started",   "succeeded",
                                                          "failed",    "cancelled", "rejected"};
enum attempt_end : std::size_t { end_succeeded, end_failed, end_timed_out, end_cancelled, end_lost };
constexpr std::array<std::string_view, 5> attempt_end_words{"succeeded", "failed", "timed_out", "cancelled",
                                                            "lost"};

// Fewer names than other families have: a histogram is some twenty lines a name.
constexpr std::size_t histograms_shown = 20;

std::vector<double> scheduling_bounds_s() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200};
}
std::vector<double> run_bounds_s() {
    return {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21'600, 86'400};
}
std::vector<double> batch_bounds() { return {0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}; }

double seconds(microseconds d) { return static_cast<double>(std::max<std::int64_t>(d.count(), 0)) * 1e-6; }

// What of it is worth a count; nothing for moves back to waiting, which show as ends of attempts.
std::optional<happening> happening_of(const change_effect& c) {
    if (c.from && *c.from == c.to) return std::nullopt;
    if (!c.from && c.to != job_state::REJECTED) return submitted;
    switch (c.to) {
    case job_state::RUNNING:
        return started;
    case job_state::SUCCEEDED:
        return succeeded;
    case job_state::FAILED:
        return failed;
    case job_state::CANCELLED:
        return cancelled;
    case job_state::REJECTED:
        return rejected;
    default:
        return std::nullopt;
    }
}

attempt_end end_of(const end_effect& e) {
    switch (e.outcome) {
    case outcome_kind::succeeded:
        return end_succeeded;
    case outcome_kind::cancelled:
        return end_cancelled;
    case outcome_kind::lost:
        return end_lost;
    case outcome_kind::failed:
        break;
    }
    const bool timed_out =
        e.code == errc::timeout_attempt || e.code == errc::timeout_heartbeat || e.code == errc::timeout_job;
    return timed_out ? end_timed_out : end_failed;
}

// Kept from the first use on: asking the family takes a lock and compares texts.
template <class Family, class Metric>
Metric& kept(Metric*& handle, Family& family, std::initializer_list<std::string_view> labels) {
    if (handle == nullptr) handle = &family.with(labels);
    return *handle;
}

std::vector<counter*> one_for_each_code(counter_family& family) {
    std::vector<counter*> counters;
    for (const errc_row& row : errc_catalogue()) {
        const auto number = static_cast<std::size_t>(row.code);
        if (counters.size() <= number) counters.resize(number + 1);
        counters[number] = &family.with({row.name});
    }
    for (counter*& c : counters)
        if (c == nullptr) c = &family.with({to_string(errc::internal)});
    return counters;
}

std::size_t counter_index(errc code, const std::vector<counter*>& counters) {
    const auto number = static_cast<std::size_t>(code);
    return number < counters.size() ? number : static_cast<std::size_t>(errc::internal);
}

} // namespace

commit_meter::commit_meter(metrics_registry& r, read_tables& from, shard_id shard)
    : jobs_(r.counters({"operations_jobs_total",
                        "What happened to jobs, by tenant. started counts each attempt; rejected ones were never "
                        "submitted.",
                        {"tenant", "state"}})),
      jobs_by_type_(r.counters(
          {"operations_jobs_by_type_total", "The same as operations_jobs_total, by job type.", {"type", "state"}})),
      jobs_failed_(r.counters({"operations_jobs_failed_total", "Jobs that failed for good.", {"tenant"}})),
      attempts_(r.counters(
          {"operations_attempts_total", "Attempts that ended, by what came of them.", {"type", "outcome"}})),
      retries_(r.counters({"operations_job_retries_total",
                           "Failed attempts after which the job is tried again; lost ones not counted.",
                           {"type"}})),
      scheduling_(r.histograms({"operations_job_scheduling_seconds",
                                "Time from when a job could start to the start of its attempt.",
                                {"tenant"}},
                               scheduling_bounds_s(), histograms_shown)),
      run_(r.histograms({"operations_attempt_run_seconds", "Time from an attempt's start to its end.", {"type"}},
                        run_bounds_s(), histograms_shown)),
      stale_reports_(r.make_counter("operations_stale_reports_total",
                                    "Reports on attempts that were no longer under way; they changed nothing.")),
      batch_commands_(r.make_histogram("operations_commit_commands",
                                       "Commands in one commit; 0 when it only started "
                                       "jobs.",
                                       batch_bounds())),
      apply_(r.make_histogram("operations_commit_apply_seconds", "Time to apply and plan one batch.",
                              latency_bounds_s())),
      commit_(r.make_histogram("operations_commit_sync_seconds", "Time to make one batch durable.",
                               latency_bounds_s())),
      results_by_code_(one_for_each_code(r.counters(
          {"operations_commands_total", "Commands that were committed, by what was answered.", {"code"}}))),
      errors_by_code_(one_for_each_code(r.counters(
          {"operations_attempt_errors_total", "Attempts that ended other than well, by their error.", {"code"}}))),
      results_now_(results_by_code_.size()) {
    tenant_book book{shard};
    book.load(from);
    for (const auto& [id, entry] : book.tenants()) {
        if (entry.types.empty()) continue;
        tenant_tally& t = add_tenant(id, entry.spec.name);
        for (const auto& [type, counts] : entry.types)
            for (std::size_t s = 0; s < job_state_count; ++s)
                t.by_state[s].fetch_add(counts.by_state[s], std::memory_order_relaxed);
    }
}

void commit_meter::committed(const commit_report& report) {
    const tenant_book& book = report.machine.book();
    count_results(report.output);
    for (const change_effect& c : report.output.changes) count_change(c, book);
    for (const erase_effect& e : report.output.erased)
        add(tenant(e.tenant, book), e.was, static_cast<std::uint64_t>(-1));
    for (const start_effect& s : report.output.starts) count_start(s, book);
    for (const end_effect& e : report.output.ends) count_end(e, book);
    if (report.output.stale_reports > 0) stale_reports_.increment(report.output.stale_reports);
    batch_commands_.observe(static_cast<double>(report.commands));
    apply_.observe(seconds(report.apply_time));
    commit_.observe(seconds(report.commit_time));
    pool_of(report.machine.shard()).free_slots.store(report.machine.pool().free_slots(), std::memory_order_relaxed);
}

void commit_meter::count_results(const batch_output& output) {
    for (const command_result& r : output.results) ++results_now_[counter_index(r.code, results_by_code_)];
    for (std::size_t i = 0; i < results_now_.size(); ++i)
        if (results_now_[i] > 0) results_by_code_[i]->increment(std::exchange(results_now_[i], 0));
}

// No read-modify-write: nobody else writes it.
void commit_meter::add(tenant_tally& t, job_state s, std::uint64_t by) {
    auto& count = t.by_state[index_of(s)];
    count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

void commit_meter::count_change(const change_effect& c, const tenant_book& book) {
    if (c.from && *c.from == c.to) return;
    tenant_tally& t = tenant(c.job.tenant(), book);
    if (c.from) add(t, *c.from, static_cast<std::uint64_t>(-1));
    add(t, c.to, 1);
    const auto what = happening_of(c);
    if (!what) return;
    type_tally& y = type(c.type, book);
    kept(t.jobs[*what], jobs_, {t.name, happening_words[*what]}).increment();
    kept(y.jobs[*what], jobs_by_type_, {y.name, happening_words[*what]}).increment();
    if (*what == failed) t.failed->increment();
}

void commit_meter::count_start(const start_effect& s, const tenant_book& book) {
    tenant_tally& t = tenant(s.work.ref.job.tenant(), book);
    kept(t.scheduling, scheduling_, {t.name}).observe(seconds(s.started_at - s.queued_at));
}

void commit_meter::count_end(const end_effect& e, const tenant_book& book) {
    type_tally& y = type(e.type, book);
    const attempt_end how = end_of(e);
    kept(y.attempts[how], attempts_, {y.name, attempt_end_words[how]}).increment();
    kept(y.run, run_, {y.name}).observe(seconds(e.ended_at - e.started_at));
    if (how == end_succeeded) return;
    errors_by_code_[counter_index(e.code, errors_by_code_)]->increment();
    const bool again = e.state == job_state::QUEUED || e.state == job_state::SCHEDULED;
    if (again && how != end_lost) kept(y.retries, retries_, {y.name}).increment();
}

commit_meter::pool_totals& commit_meter::pool_of(shard_id shard) {
    if (const auto known = pools_.find(shard); known != pools_.end()) return known->second;
    const std::scoped_lock lock{growing_};
    return pools_[shard];
}

void commit_meter::workers_changed(const slot_pool& pool, shard_id shard) {
    worker_totals now;
    for (const auto& [id, w] : pool.workers()) {
        ++(w.draining ? now.draining : now.attached);
        if (!w.draining) now.slots += w.slots;
    }
    pool_totals& to = pool_of(shard);
    to.attached.store(now.attached, std::memory_order_relaxed);
    to.draining.store(now.draining, std::memory_order_relaxed);
    to.slots.store(now.slots, std::memory_order_relaxed);
    to.free_slots.store(pool.free_slots(), std::memory_order_relaxed);
}

commit_meter::tenant_tally& commit_meter::tenant(tenant_id id, const tenant_book& book) {
    if (const auto known = by_tenant_.find(id); known != by_tenant_.end()) return *known->second;
    const auto entry = book.tenants().find(id);
    return add_tenant(id, entry == book.tenants().end() ? std::to_string(id.value) : entry->second.spec.name);
}

commit_meter::type_tally& commit_meter::type(type_id id, const tenant_book& book) {
    if (const auto known = by_type_.find(id); known != by_type_.end()) return known->second;
    const auto entry = book.types().find(id);
    type_tally& added = by_type_[id];
    added.name = entry == book.types().end() ? std::to_string(id.value) : entry->second.spec.name;
    return added;
}

commit_meter::tenant_tally& commit_meter::add_tenant(tenant_id id, std::string name) {
    tenant_tally* added = nullptr;
    {
        const std::scoped_lock lock{growing_};
        added = &tallies_.emplace_back();
        added->id = id;
        added->name = std::move(name);
    }
    // Already there at zero, so that a tenant's first failure shows as an increase.
    added->failed = &jobs_failed_.with({added->name});
    by_tenant_.emplace(id, added);
    return *added;
}

std::vector<commit_meter::tenant_jobs> commit_meter::tenants() const {
    std::vector<const tenant_tally*> all;
    {
        const std::scoped_lock lock{growing_};
        all.reserve(tallies_.size());
        for (const tenant_tally& t : tallies_) all.push_back(&t);
    }
    std::vector<tenant_jobs> found;
    found.reserve(all.size());
    for (const tenant_tally* t : all) {
        tenant_jobs& jobs = found.emplace_back(tenant_jobs{t->name, t->id, {}});
        for (std::size_t s = 0; s < job_state_count; ++s)
            jobs.by_state[s] = t->by_state[s].load(std::memory_order_relaxed);
    }
    return found;
}

commit_meter::worker_totals commit_meter::workers() const {
    worker_totals now;
    const std::scoped_lock lock{growing_};
    for (const auto& [shard, of] : pools_) {
        now.attached = std::max(now.attached, of.attached.load(std::memory_order_relaxed));
        now.draining = std::max(now.draining, of.draining.load(std::memory_order_relaxed));
        now.slots += of.slots.load(std::memory_order_relaxed);
        now.free_slots += of.free_slots.load(std::memory_order_relaxed);
    }
    now.free_slots = std::min(now.free_slots, now.slots);
    return now;
}

} // namespace coppice
