// Jobs, as tables and as JSON.
#pragma once

#include <string>
#include <vector>

#include "runtime/cli/output.hpp"
#include "runtime/client/values.hpp"

namespace coppice::cli {

// At least id, tenant, type, status, priority, attempts, submitted_at, started_at, finished_at, progress, error
// {code, message, attempt}, result_size, pending_audit. `whole`: what only `get` gives too (payload, history).
std::string job_json(const client::job_view& job, bool whole);

table job_table();
void add_row(table& to, const client::job_view& job);

// What a person asks of one job: a name and a value a line.
std::string job_description(const client::job_view& job);

// "failed after 3 attempts: exit_status: ..."
std::string job_summary(const client::job_view& job);

std::string_view state_word(job_state s);
std::string ids_json(const std::vector<job_id>& ids);
std::string labels_json(const std::vector<std::string>& labels); // {"name": "value"}, of "name=value"

} // namespace coppice::cli
