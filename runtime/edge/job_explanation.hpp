// Why a job waits, in sentences for a person: what holds it now, then what may hold it yet.
#pragma once

#include "actors/governance/catalog.hpp"
#include "actors/jobs/job_keys.hpp"
#include "actors/jobs/start_valve.hpp"
#include "persistence/tables.hpp"

namespace coppice {

// From the tables of the job's shard; `starts`: of the node that is asked. Nothing: there is no such job. Counts at
// most limits::list_scan_max rows of a kind, and says "at least" where it stopped. How far a rate has been used is
// in the primary's memory alone, and not told.
std::optional<std::vector<std::string>> explain_job(read_tables& t, const catalog& declared, const job_id& id,
                                                    const start_valve::setting& starts);

} // namespace coppice
