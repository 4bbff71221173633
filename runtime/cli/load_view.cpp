#include "runtime/cli/load_view.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
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
};

constexpr std::array all_waits{"running", "queued", "scheduled", "blocked"};
constexpr std::array all_events{"submitted", "started", "succeeded", "failed", "cancelled", "rejected"};
constexpr auto shown_events = std::span{all_events}.first<4>(); // the others are rare

double number_of(const counts& all, std::string_view state) {
    const auto found = all.find(state);
    return found == all.end() ? 0 : found->second;
}

void add(counts& to, const counts& more) {
    for (const auto& [state, count] : more) to[state] += count;
}

void add_of_tenant(load_look& to, const sample& s) {
    tenant_load& t = to.tenants[s.label("tenant")];
    if (s.name == "operations_jobs_running")
        t.jobs["running"] += s.value;
    else if (s.name == "operations_queue_depth")
        t.jobs[s.label("state")] += s.value;
    else if (s.name == "operations_jobs_total")
        t.happened[s.label("state")] += s.value;
    else
        t.oldest = std::max(t.oldest, s.value);
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
    if (n == "operations_worker_slots") (s.label("state") == "free" ? to.slots_free : to.slots_used) += s.value;
    if (n == "operations_worker_sessions") to.workers += s.value;
    if (n == "operations_starts_per_second_max") ++(s.value > 0 ? to.slowed : to.paused);
    if (n == "process_cpu_seconds_total") to.cpu_seconds += s.value;
    if (n == "process_anonymous_memory_bytes") to.memory_bytes += s.value;
    if (n == "operations_store_used_bytes") to.store_bytes += s.value;
    if (n == "operations_store_audit_findings") to.findings += s.value;
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
    counts of(const std::string& tenant, const tenant_load& is) const {
        counts each;
        if (before == nullptr) return each;
        const auto found = before->tenants.find(tenant);
        for (const auto& [state, count] : is.happened)
            each[state] = of(found == before->tenants.end() ? 0 : number_of(found->second.happened, state), count);
        return each;
    }
};

using row = std::pair<std::string, tenant_load>;

double under_way(const row& r) { return number_of(r.second.jobs, "running") + number_of(r.second.jobs, "queued"); }

// Those with most to do; one that never had a job is left out.
std::vector<row> busiest(const load_look& now) {
    std::vector<row> rows;
    for (const auto& [name, t] : now.tenants) {
        double all = number_of(t.happened, "submitted");
        for (const auto& [state, count] : t.jobs) all += count;
        if (all > 0) rows.emplace_back(name, t);
    }
    std::ranges::stable_sort(rows, std::greater{}, under_way);
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

std::string oldest_cell(const counts& jobs, double oldest) {
    return seconds_cell(number_of(jobs, "queued") > 0 ? std::optional{oldest} : std::nullopt);
}

std::string mebibytes(double bytes) { return whole(bytes / (1024 * 1024)) + " MiB"; }

std::string head(const load_look* before, const load_look& now) {
    const pace p{before, now};
    counts jobs, each;
    double oldest = 0;
    for (const auto& [name, t] : now.tenants) {
        add(jobs, t.jobs);
        add(each, p.of(name, t));
        oldest = std::max(oldest, t.oldest);
    }
    std::string text = time_cell(now.at) + "   nodes " + std::to_string(now.nodes) + "   workers " +
                       whole(now.workers) + "   slots " + whole(now.slots_used) + " of " +
                       whole(now.slots_used + now.slots_free) + "   memory " + mebibytes(now.memory_bytes) +
                       "   store " + mebibytes(now.store_bytes) + "\n";
    for (const char* state : all_waits) text += std::string{state} + " " + whole(number_of(jobs, state)) + "   ";
    text += "oldest " + oldest_cell(jobs, oldest) + "\n";
    if (before != nullptr) {
        text += "a second: ";
        for (const char* event : shown_events)
            text += std::string{event} + " " + per_second(number_of(each, event)) + "   ";
        text += "cpu " + per_second(p.of(before->cpu_seconds, now.cpu_seconds)) + "\n";
        text += "scheduling p95 " + seconds_cell(quantile(before->scheduling, now.scheduling, 0.95)) +
                "   commit p95 " + seconds_cell(quantile(before->commits, now.commits, 0.95)) + "\n";
    }
    if (now.paused > 0) text += whole(now.paused) + " of the nodes are paused: coppice node release\n";
    if (now.slowed > 0) text += whole(now.slowed) + " of the nodes start at a bounded rate: coppice node release\n";
    if (now.findings > 0)
        text += "the store does not fit together: " + whole(now.findings) + " findings; see `coppice doctor`\n";
    return text + "\n";
}

json rates_json(const counts& each) {
    json rates;
    for (const char* event : all_events) rates[event] = number_of(each, event);
    return rates;
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
        std::vector<std::string> cells{name};
        for (const char* state : all_waits) cells.push_back(whole(number_of(t.jobs, state)));
        cells.push_back(oldest_cell(t.jobs, t.oldest));
        const counts each = p.of(name, t);
        for (const char* event : shown_events)
            cells.push_back(before == nullptr ? "-" : per_second(number_of(each, event)));
        out.add(std::move(cells));
    }
    return head(before, now) + out.take(width);
}

std::string load_json(const load_look* before, const load_look& now) {
    const pace p{before, now};
    json tenants = json::array();
    for (const auto& [name, t] : busiest(now)) {
        json one{{"tenant", name}, {"oldest_seconds", t.oldest}};
        for (const char* state : all_waits) one[state] = count(number_of(t.jobs, state));
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
