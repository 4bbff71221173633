#include "actors/jobs/store_check.hpp"

#include "actors/jobs/store_checker.hpp"

namespace coppice {

check_report check_store(read_tables& from, shard_id shard, std::size_t findings_max) {
    store_checker checker{from, shard, findings_max};
    checker.declarations();
    checker.timers(); // before jobs: says which ended parents still have children to tell
    checker.jobs();
    checker.indexes();
    checker.bytes_apart();
    checker.idempotency();
    checker.likeness();
    checker.graphs();
    checker.batches();
    checker.schedules();
    checker.logs();
    checker.counters(); // after jobs, which counts
    checker.feeds();
    return std::move(checker.report);
}

} // namespace coppice
