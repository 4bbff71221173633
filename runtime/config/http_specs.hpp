// What stands under `http:` of a job type.
#pragma once

#include "actors/jobs/job_type_spec.hpp"
#include "runtime/config/field_reader.hpp"

namespace coppice {

void read_http_spec(field_reader& fields, http_spec& spec);

} // namespace coppice
