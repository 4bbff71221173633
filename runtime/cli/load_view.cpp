#include "runtime/cli/load_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/cli/metrics_json.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

using nlohmann::json;

struct sample {
    std::string name;
    json labels;
    double value = 0;

    std::string label(const char* of) const { return labels.value(of, ""); }
    double* of(tenant_load& t, std::string_view state) const {
        const std::pair<std::string_view, double*> known[] = {
            {"running", &t.running},     {"queued", &t.queued},       {"scheduled", &t.scheduled},
            {"blocked", &t.blocked},     {"submitted", &t.submitted}, {"started", &t.started},
            {"succeeded", &t.succeeded}, {"failed", &t.failed},       {"cancelled", &t.cancelled},
            {"rejected", &t.rejected}};
        const auto* found = std::ranges::find(known, state, &std::pair<std::string_view, double*>::first);
        return found == std::end(known) ? nullptr : found->second;
    }
};

void add(double* to, double value) {
    if (to != nullptr) *to += value;
}

void add_of_tenant(load_look& to, const sample& s) {
    tenant_load& t = to.tenants[s.label("tenant")];
    if (s.name == "operations_jobs_running")
        t.running += s.value;
    else if (s.name == "operations_queue_oldest_age_seconds")
        t.oldest = std::max(t.oldest, s.value);
    else
        add(s.of(t, s.label("state")), s.value);
}

void add_bucket(buckets& to, const sample& s) {
    const std::string bound = s.label("le");
    to[bound == "+Inf" ? HUGE_VAL : std::strtod(bound.c_str(), nullptr)] += s.value;
}

void add_sample(load_look& to, const sample& s) {
    const std::string& n = s.name;
    if (n == "operations_jobs_running" || n == "operations_queue_depth" || n == "operations_jobs_total" ||
        n == "operations_queue_oldest_age_seconds")
        return add_of_tenant(to, s);
    if (n == "operations_job_scheduling_seconds_bucket") return add_bucket(to.scheduling, s);
    if (n == "operations_commit_sync_seconds_bucket") return add_bucket(to.commits, s);
    if (n == "operations_worker_slots")
        return add(s.label("state") == "free" ? &to.slots_free : &to.slots_used, s.value);
    if (n == "operations_worker_sessions") return add(&to.workers, s.value);
    if (n == "operations_starts_per_second_max") return add(s.value > 0 ? &to.slowed : &to.paused, 1);
    if (n == "process_cpu_seconds_total") return add(&to.cpu_seconds, s.value);
    if (n == "process_anonymous_memory_bytes") return add(&to.memory_bytes, s.value);
    if (n == "operations_store_used_bytes") return add(&to.store_bytes, s.value);
    if (n == "operations_store_audit_findings") return add(&to.findings, s.value);
}

// What happened each second between two looks; a node that was started again counts from 0.
struct pace {
    const load_look* before;
    const load_look& now;

    double seconds() const {
        if (before == nullptr) return 0;
        return std::chrono::duration<double>(now.at - before->at).count();
    }
    double of(double then, double is) const {
        const double time = seconds();
        return time > 0 ? std::max(0.0, is - then) / time : 0;
    }
    tenant_load of(const std::string& tenant, tenant_load is) const {
        if (before == nullptr) return {};
        const auto found = before->tenants.find(tenant);
        const tenant_load then = found == before->tenants.end() ? tenant_load{} : found->second;
        tenant_load each;
        each.submitted = of(then.submitted, is.submitted);
        each.started = of(then.started, is.started);
        each.succeeded = of(then.succeeded, is.succeeded);
        each.failed = of(then.failed, is.failed);
        each.cancelled = of(then.cancelled, is.cancelled);
        each.rejected = of(then.rejected, is.rejected);
        return each;
    }
};

tenant_load sum_of(const std::map<std::string, tenant_load>& tenants) {
    tenant_load all;
    for (const auto& [name, t] : tenants) {
        all.running += t.running;
        all.queued += t.queued;
        all.scheduled += t.scheduled;
        all.blocked += t.blocked;
        all.oldest = std::max(all.oldest, t.oldest);
        all.submitted += t.submitted;
        all.started += t.started;
        all.succeeded += t.succeeded;
        all.failed += t.failed;
        all.cancelled += t.cancelled;
        all.rejected += t.rejected;
    }
    return all;
}

using row = std::pair<std::string, tenant_load>;

// Those with most to do; one that never had a job is left out.
std::vector<row> busiest(const load_look& now) {
    std::vector<row> rows;
    for (const auto& [name, t] : now.tenants)
        if (t.running + t.queued + t.scheduled + t.blocked + t.submitted > 0) rows.emplace_back(name, t);
    std::ranges::stable_sort(rows, [](const row& a, const row& b) {
        return a.second.running + a.second.queued > b.second.running + b.second.queued;
    });
    return rows;
}

std::string whole(double number) { return grouped(static_cast<unsigned long long>(std::llround(number))); }

std::string per_second(double rate) {
    if (rate >= 99.5 || rate == 0) return whole(rate);
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", rate);
    return text;
}

std::string seconds_cell(std::optional<double> seconds) {
    if (!seconds) return "-";
    if (*seconds >= 1) return age_cell(milliseconds{std::llround(*seconds * 1000)});
    char text[32];
    std::snprintf(text, sizeof text, "%.*fms", *seconds < 0.01 ? 1 : 0, *seconds * 1000);
    return text;
}

std::string mebibytes(double bytes) { return whole(bytes / (1024 * 1024)) + " MiB"; }

std::string head(const load_look* before, const load_look& now) {
    const pace p{before, now};
    const tenant_load all = sum_of(now.tenants);
    std::map<std::string, tenant_load> rates;
    for (const auto& [name, t] : now.tenants) rates[name] = p.of(name, t);
    const tenant_load each = sum_of(rates);
    std::string text = time_cell(now.at) + "   nodes " + std::to_string(now.nodes) + "   workers " +
                       whole(now.workers) + "   slots " + whole(now.slots_used) + " of " +
                       whole(now.slots_used + now.slots_free) + "   memory " + mebibytes(now.memory_bytes) +
                       "   store " + mebibytes(now.store_bytes) + "\n";
    text += "running " + whole(all.running) + "   queued " + whole(all.queued) + "   scheduled " +
            whole(all.scheduled) + "   blocked " + whole(all.blocked) + "   oldest " +
            seconds_cell(all.queued > 0 ? std::optional{all.oldest} : std::nullopt) + "\n";
    if (before != nullptr) {
        text += "a second: submitted " + per_second(each.submitted) + "   started " + per_second(each.started) +
                "   succeeded " + per_second(each.succeeded) + "   failed " + per_second(each.failed) + "   cpu " +
                per_second(p.of(before->cpu_seconds, now.cpu_seconds)) + "\n";
        text += "scheduling p95 " + seconds_cell(quantile(before->scheduling, now.scheduling, 0.95)) +
                "   commit p95 " + seconds_cell(quantile(before->commits, now.commits, 0.95)) + "\n";
    }
    if (now.paused > 0) text += whole(now.paused) + " of the nodes are paused: coppice node release\n";
    if (now.slowed > 0) text += whole(now.slowed) + " of the nodes start at a bounded rate: coppice node release\n";
    if (now.findings > 0)
        text += "the store does not fit together: " + whole(now.findings) + " findings; see `coppice doctor`\n";
    return text + "\n";
}

json rates_json(const tenant_load& each) {
    return {{"submitted", each.submitted}, {"started", each.started},     {"succeeded", each.succeeded},
            {"failed", each.failed},       {"cancelled", each.cancelled}, {"rejected", each.rejected}};
}

// Without the ".0" of a double.
json count(double number) { return static_cast<std::uint64_t>(std::llround(number)); }

json number_or_null(std::optional<double> number) { return number ? json(*number) : json(nullptr); }

} // namespace

void add_metrics(load_look& to, std::string_view text) {
    ++to.nodes;
    for (const json& each : json::parse(metrics_json(text))) {
        const json& value = each["value"];
        if (value.is_number()) add_sample(to, {each["name"], each["labels"], value.get<double>()});
    }
}

// Within a bucket as if all its values lay evenly in it; the last one has no upper bound: its lower one.
std::optional<double> quantile(const buckets& before, const buckets& now, double part) {
    if (now.empty()) return std::nullopt;
    const auto came = [&](const auto& bucket) {
        const auto then = before.find(bucket.first);
        return std::max(0.0, bucket.second - (then == before.end() ? 0 : then->second));
    };
    const double wanted = came(*now.rbegin()) * part;
    if (wanted <= 0) return std::nullopt;
    double lower = 0, below = 0;
    for (const auto& bucket : now) {
        const double upto = came(bucket);
        if (upto >= wanted) {
            if (std::isinf(bucket.first)) return lower;
            return lower + (bucket.first - lower) * (wanted - below) / (upto - below);
        }
        lower = bucket.first;
        below = upto;
    }
    return lower;
}

std::string load_text(const load_look* before, const load_look& now, std::size_t width) {
    const pace p{before, now};
    table out({{"TENANT", false, true},
               {"RUNNING", true},
               {"QUEUED", true},
               {"SCHEDULED", true},
               {"BLOCKED", true},
               {"OLDEST", true},
               {"SUBMITTED/S", true},
               {"STARTED/S", true},
               {"SUCCEEDED/S", true},
               {"FAILED/S", true}});
    for (const auto& [name, t] : busiest(now)) {
        const tenant_load each = p.of(name, t);
        const auto rate = [&](double r) { return before == nullptr ? "-" : per_second(r); };
        out.add({name, whole(t.running), whole(t.queued), whole(t.scheduled), whole(t.blocked),
                 seconds_cell(t.queued > 0 ? std::optional{t.oldest} : std::nullopt), rate(each.submitted),
                 rate(each.started), rate(each.succeeded), rate(each.failed)});
    }
    return head(before, now) + out.take(width);
}

std::string load_json(const load_look* before, const load_look& now) {
    const pace p{before, now};
    json tenants = json::array();
    for (const auto& [name, t] : busiest(now)) {
        json one{{"tenant", name},
                 {"running", count(t.running)},
                 {"queued", count(t.queued)},
                 {"scheduled", count(t.scheduled)},
                 {"blocked", count(t.blocked)},
                 {"oldest_seconds", t.oldest}};
        if (before != nullptr) one["per_second"] = rates_json(p.of(name, t));
        tenants.push_back(std::move(one));
    }
    json all{{"at", to_rfc3339(now.at)},
             {"nodes", now.nodes},
             {"workers", count(now.workers)},
             {"slots", {{"used", count(now.slots_used)}, {"free", count(now.slots_free)}}},
             {"memory_bytes", count(now.memory_bytes)},
             {"store_bytes", count(now.store_bytes)},
             {"audit_findings", count(now.findings)},
             {"nodes_paused", count(now.paused)},
             {"nodes_slowed", count(now.slowed)},
             {"tenants", std::move(tenants)}};
    if (before != nullptr) {
        all["seconds"] = p.seconds();
        all["cpu"] = p.of(before->cpu_seconds, now.cpu_seconds);
        all["scheduling_p95_seconds"] = number_or_null(quantile(before->scheduling, now.scheduling, 0.95));
        all["commit_p95_seconds"] = number_or_null(quantile(before->commits, now.commits, 0.95));
    }
    return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace coppice::cli
