// What `coppice top` shows: how much each tenant has waiting and running, and what happened in the time between two
// looks at the metrics of all nodes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "schema/time.hpp"

namespace coppice::cli {

using counts = std::map<std::string, double, std::less<>>; // by state, as the metrics name it

struct tenant_load {
    counts jobs;       // that wait or run
    counts happened;   // since the node started: submitted, started, succeeded, ...
    double oldest = 0; // of those queued, seconds
};

// A histogram's cumulative counts, by the upper bound of the bucket in seconds.
using buckets = std::map<double, double>;

struct load_look {
    instant at = never;
    std::size_t nodes = 0;
    std::map<std::string, tenant_load> tenants;
    double slots_free = 0, slots_used = 0, workers = 0;
    double cpu_seconds = 0, memory_bytes = 0, store_bytes = 0, findings = 0;
    double paused = 0, slowed = 0; // nodes that start nothing, or no more than so many a second
    buckets scheduling, commits;
};

// Adds a node's metrics (Prometheus text, as `coppice metrics` prints them) to a look.
void add_metrics(load_look& to, std::string_view text);

// Below which this part (0 to 1) of what came between two looks lies; nothing when nothing did.
std::optional<double> quantile(const buckets& before, const buckets& now, double part);

// For a terminal of this width (0: no bound); the busiest tenants first. The first look has no `before`: no rates.
std::string load_text(const load_look* before, const load_look& now, std::size_t width);
std::string load_json(const load_look* before, const load_look& now);

} // namespace coppice::cli
