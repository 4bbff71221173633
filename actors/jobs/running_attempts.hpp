// Everything that runs in a shard, by its tables.
#pragma once

#include <vector>

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "persistence/tables.hpp"
#include "schema/records.capnp.h"

namespace coppice {

struct running_attempt {
    attempt_ref ref;
    worker_id worker;
    type_id type;
    instant started;
};

inline std::vector<running_attempt> running_attempts(store& data, shard_id shard) {
    std::vector<running_attempt> found;
    const auto tables = data.begin_read();
    record_reader<rec::RunningRow> reader;
    const row_key prefix = keys::shard(shard);
    for (auto r = tables->seek(table::running, prefix); r && has_prefix(r->key, prefix);
         r = tables->next(table::running)) {
        key_reader k{r->key};
        k.u16();
        k.u32();
        const auto row = reader.read(r->value);
        found.push_back({{k.id(), row.getAttempt()},
                         worker_id{row.getWorker()},
                         type_id{row.getType()},
                         from_us(row.getStartedUs())});
    }
    return found;
}

} // namespace coppice
