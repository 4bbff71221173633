#include "runtime/observability/queue_age.hpp"

#include <algorithm>
#include <limits>

#include "persistence/record.hpp"
#include "schema/records.capnp.h"

namespace coppice {

std::optional<instant> oldest_ready(read_tables& from, shard_id shard, tenant_id tenant, std::size_t& budget) {
    record_reader<rec::JobRow> reader;
    const row_key all = keys::tenant(shard, tenant);
    row_key at = all;
    std::optional<instant> oldest;
    for (; budget > 0; --budget) {
        const auto head = from.seek(table::queue, at);
        if (!head || !has_prefix(head->key, all)) break;
        key_reader k{head->key.subspan(all.view().size())};
        const std::uint32_t type = k.u32();
        k.u64(); // the rank
        const job_id id = k.id();
        if (const auto stored = k.ok() ? from.get(table::jobs, keys::job(id)) : std::nullopt)
            if (const auto job = reader.try_read(*stored); job && job->getReadyUs() > 0) {
                const instant ready = from_us(job->getReadyUs());
                oldest = oldest ? std::min(*oldest, ready) : ready;
            }
        if (type == std::numeric_limits<std::uint32_t>::max()) break;
        at = keys::queue_of(shard, tenant, type_id{type + 1});
    }
    return oldest;
}

} // namespace coppice
