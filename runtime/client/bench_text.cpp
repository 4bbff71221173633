// The figures of the benches as a table and as JSON.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/client/bench_driver.hpp"

namespace coppice::client {
namespace {

using json = nlohmann::ordered_json;

json json_of(const quantiles& q) {
    return {{"count", q.count}, {"p50", q.p50}, {"p90", q.p90},  {"p99", q.p99},
            {"p999", q.p999},   {"max", q.max}, {"mean", q.mean}};
}

std::string row(const char* name, double value, const char* unit) {
    char line[128];
    std::snprintf(line, sizeof line, "%-28s %14.1f %s\n", name, value, unit);
    return line;
}

std::string head() {
    char line[160];
    std::snprintf(line, sizeof line, "%-28s %9s %10s %10s %10s %10s %10s\n", "microseconds", "count", "p50", "p90",
                  "p99", "p99.9", "max");
    return line;
}

std::string row(const char* name, const quantiles& q) {
    if (q.count == 0) return {};
    char line[200];
    std::snprintf(line, sizeof line, "%-28s %9llu %10.0f %10.0f %10.0f %10.0f %10.0f\n", name,
                  static_cast<unsigned long long>(q.count), q.p50, q.p90, q.p99, q.p999, q.max);
    return line;
}

double number(std::uint64_t n) { return static_cast<double>(n); }

} // namespace

std::string to_table(const jobs_figures& f) {
    return row("jobs completed", number(f.jobs), "") + row("refused", number(f.refused), "") +
           row("did not succeed", number(f.not_succeeded), "") +
           row("submitted", f.submitted_per_second, "jobs/s") +
           row("completed, committed", f.completed_per_second, "jobs/s") +
           row("submitting took", f.submit_seconds, "s") + row("all took", f.complete_seconds, "s") +
           row("report calls", number(f.report_calls), "") + head() + row("one batch's submit", f.submit_batch_us);
}

std::string to_table(const submit_figures& f) {
    return row("submits", number(f.submits), "") + row("refused", number(f.refused), "") +
           row("in flight", number(f.in_flight), "") + row("rate", f.per_second, "submits/s") + head() +
           row("submit, loaded", f.loaded_us) + row("submit, alone", f.alone_us);
}

std::string to_table(const latency_figures& f) {
    return row("jobs", number(f.jobs), "") + row("refused", number(f.refused), "") +
           row("rate wanted", f.rate_wanted, "jobs/s") + row("rate reached", f.rate_reached, "jobs/s") + head() +
           row("submitted to started", f.start_us) + row("submit called to assigned", f.assign_us) +
           row("submit called to answered", f.submit_us);
}

std::string to_json(const jobs_figures& f) {
    return json{{"bench", "jobs"},
                {"jobs", f.jobs},
                {"refused", f.refused},
                {"not_succeeded", f.not_succeeded},
                {"submit_seconds", f.submit_seconds},
                {"complete_seconds", f.complete_seconds},
                {"submitted_per_second", f.submitted_per_second},
                {"completed_per_second", f.completed_per_second},
                {"report_calls", f.report_calls},
                {"submit_batch_us", json_of(f.submit_batch_us)}}
        .dump();
}

std::string to_json(const submit_figures& f) {
    return json{{"bench", "submit"},
                {"submits", f.submits},
                {"refused", f.refused},
                {"in_flight", f.in_flight},
                {"seconds", f.seconds},
                {"per_second", f.per_second},
                {"loaded_us", json_of(f.loaded_us)},
                {"alone_us", json_of(f.alone_us)}}
        .dump();
}

std::string to_json(const latency_figures& f) {
    return json{{"bench", "latency"},
                {"jobs", f.jobs},
                {"refused", f.refused},
                {"rate_wanted", f.rate_wanted},
                {"rate_reached", f.rate_reached},
                {"start_us", json_of(f.start_us)},
                {"assign_us", json_of(f.assign_us)},
                {"submit_us", json_of(f.submit_us)}}
        .dump();
}

} // namespace coppice::client
