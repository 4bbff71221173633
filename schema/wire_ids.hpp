// Ids as Cap'n Proto carries them: a job's id as two halves.
#pragma once

#include "schema/ids.hpp"
#include "schema/records.capnp.h"

namespace coppice {

inline void write_id(const job_id& id, rec::Id::Builder to) {
    to.setHigh(id.high());
    to.setLow(id.low());
}
inline job_id read_id(rec::Id::Reader id) { return job_id::from_halves(id.getHigh(), id.getLow()); }

} // namespace coppice
