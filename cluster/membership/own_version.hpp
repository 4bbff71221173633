// What this version of the program can do, as a member's record says it.
#pragma once

#include "cluster/membership/member.hpp"

namespace coppice {

// Features of members (own_version.cpp): what all nodes must be able to before any does it.
namespace feature {
inline constexpr std::string_view batches = "batches"; // and edits of jobs that wait, and traces
inline constexpr std::string_view checkpoints = "checkpoints";
inline constexpr std::string_view graphs = "graphs";           // and jobs that run however their parents end
inline constexpr std::string_view hard_sticky = "hard-sticky"; // keys that wait for their worker
inline constexpr std::string_view http = "http";               // the executor
inline constexpr std::string_view job_slots = "job-slots";     // several of one worker for a job
inline constexpr std::string_view labels = "labels";           // of workers
inline constexpr std::string_view limits = "limits";           // rates, concurrency by key, pauses
inline constexpr std::string_view log_bounds = "log-bounds";   // of a job type
inline constexpr std::string_view repairs = "repairs";         // of rows; labels of jobs, sticky keys
inline constexpr std::string_view retention = "retention";     // and redrives, and jobs that are deleted
inline constexpr std::string_view schedules = "schedules";
inline constexpr std::string_view stored_lines = "stored-lines";     // of logs, in a result store
inline constexpr std::string_view stored_results = "stored-results"; // in a result store
inline constexpr std::string_view unique = "unique";
} // namespace feature

// Protocol and features of `m`.
void write_own_version(member& m);

} // namespace coppice
