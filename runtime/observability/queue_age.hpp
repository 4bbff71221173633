// How long waiting jobs have waited: read from the heads of the queue, not counted.
//
// A queue is ordered by rank (actors/jobs/job_keys.hpp), so its head is the oldest job of the most urgent priority
// waiting, and the oldest of all when one priority is in use; otherwise an older one of less urgency may wait
// behind it, by up to limits::priority_step for each priority between them.
#pragma once

#include "actors/jobs/job_keys.hpp"
#include "persistence/tables.hpp"

namespace coppice {

// When the longest waiting of the heads of the tenant's queues (one for each job type) could have started; nothing
// when none is queued. Looks up one row for each type with something in its queue, takes it from `budget`, and
// stops when that is used up. A row that cannot be read is passed over.
std::optional<instant> oldest_ready(read_tables& from, shard_id shard, tenant_id tenant, std::size_t& budget);

} // namespace coppice
