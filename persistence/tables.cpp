#include "persistence/tables.hpp"

#include <array>

namespace coppice {

std::string_view to_string(table t) {
    static constexpr std::array<std::string_view, table_count> names{
        "meta",     "declared", "tenants",   "types",          "counters",   "jobs",        "payloads",
        "results",  "queue",    "running",   "timers",         "dependents", "idempotency", "logs",
        "evidence", "events",   "control",   "control_mirror", "replicas",   "shard_log",   "checkpoints",
        "unique",   "graphs",   "schedules", "batches"};
    return names[static_cast<std::size_t>(t)];
}

} // namespace coppice
