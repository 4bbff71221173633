// The specs of declared things as text: what may stand under `spec:` in a document, and the canonical JSON that is
// stored and compared, so that applying the same thing twice changes nothing.
//
// Both forms are read by the same functions, so a rule holds wherever a spec comes from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "actors/jobs/job_type_spec.hpp"
#include "actors/schedules/schedule_spec.hpp"
#include "actors/tenants/tenant_spec.hpp"
#include "runtime/config/field_reader.hpp"
#include "schema/errc.hpp"

namespace coppice {

// Who wrote the JSON of a job type: only what the node itself stored may set argv_from_payload, which would let a
// tenant name any command line.
enum class spec_origin : std::uint8_t { submitted, stored };

// The fields under `spec`; the name is set by who calls.
void read_spec(field_reader& fields, tenant_spec& spec);
void read_spec(field_reader& fields, job_type_spec& spec, spec_origin origin = spec_origin::submitted);
void read_spec(field_reader& fields, schedule_spec& spec);

// A name, by names.hpp, or an error that says what it must look like.
bool read_name(field_reader& fields, std::string& name);

// Canonical: one line, every field, in a fixed order (the schema's own keys sorted). Equal specs give equal texts.
std::string to_json(const tenant_spec& spec);
std::string to_json(const job_type_spec& spec);
std::string to_json(const schedule_spec& spec);
// The way back, as strict as documents are; document_invalid names every error.
expected<tenant_spec> tenant_spec_from_json(std::string_view text);
expected<schedule_spec> schedule_spec_from_json(std::string_view text);
expected<job_type_spec> job_type_spec_from_json(std::string_view text, spec_origin origin = spec_origin::submitted);

} // namespace coppice
