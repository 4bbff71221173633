#include "actors/jobs/store_check.hpp"

#include <algorithm>
#include <iterator>

#include "actors/jobs/store_checker.hpp"

namespace coppice {

check_report check_store(read_tables& from, shard_id shard, std::size_t findings_max,
                         const std::atomic<bool>* stop) {
    store_checker checker{from, shard, findings_max, stop};
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

check_report check_shards(store& data, std::size_t shards, const std::atomic<bool>* stop) {
    check_report all;
    record_reader<rec::ReplicaRow> replica;
    for (std::size_t i = 0; i < shards && (stop == nullptr || !stop->load()); ++i) {
        const shard_id shard{static_cast<std::uint16_t>(i)};
        const auto tables = data.begin_read();
        const auto stored = tables->get(table::replicas, keys::shard(shard));
        if (stored && replica.read(*stored).getInstalling()) continue;
        check_report one = check_store(*tables, shard, limits::findings_max, stop);
        all.rows += one.rows;
        std::ranges::move(one.findings, std::back_inserter(all.findings));
        all.jobs.merge(one.jobs);
        all.counters.merge(one.counters);
    }
    return all;
}

} // namespace coppice
