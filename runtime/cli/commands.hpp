// Every command of `coppice`, a file each. Each function declares words and flags on the registry's tree.
#pragma once

#include "runtime/cli/invocation.hpp"

namespace coppice::cli {

void add_serve_command(const command_registry& commands);
void add_cluster_commands(const command_registry& commands);
void add_node_commands(const command_registry& commands);
void add_shard_commands(const command_registry& commands);
void add_apply_command(const command_registry& commands);
void add_get_command(const command_registry& commands);
void add_job_commands(const command_registry& commands);
void add_schedule_commands(const command_registry& commands);
void add_queue_commands(const command_registry& commands);
void add_worker_command(const command_registry& commands);
void add_token_command(const command_registry& commands);
void add_top_command(const command_registry& commands);
void add_tree_command(const command_registry& commands);
void add_metrics_command(const command_registry& commands);
void add_doctor_command(const command_registry& commands);
void add_bench_commands(const command_registry& commands);
void add_export_command(const command_registry& commands);
void add_import_command(const command_registry& commands);
void add_completion_command(const command_registry& commands);
void add_version_command(const command_registry& commands);

// What may stand in the place of the last of `words`, which may be begun; those before it are what was typed after
// the program's name. Sorted; empty where anything may.
std::vector<std::string> completions(const CLI::App& root, const std::vector<std::string>& words);

// Below `job`.
void add_job_submit_command(const command_registry& commands, CLI::App& job);
void add_job_follow_commands(const command_registry& commands, CLI::App& job); // watch, logs
void add_job_change_commands(const command_registry& commands, CLI::App& job);
void add_job_graph_command(const command_registry& commands, CLI::App& job);

} // namespace coppice::cli
