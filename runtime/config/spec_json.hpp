// Private to specs and documents: a spec as an ordered JSON object, from which its canonical text and its YAML are
// made.
#pragma once

#include <nlohmann/json.hpp>

#include "actors/jobs/job_type_spec.hpp"
#include "actors/schedules/schedule_spec.hpp"
#include "actors/tenants/tenant_spec.hpp"

namespace coppice {

nlohmann::ordered_json to_object(const tenant_spec& spec);
nlohmann::ordered_json to_object(const job_type_spec& spec);
nlohmann::ordered_json to_object(const schedule_spec& spec);

} // namespace coppice
