// What happens between an exec_job and the spawn request: the working directory and what lies in it, the
// environment, the program's path, the three descriptors.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/executors/exec_job.hpp"
#include "runtime/executors/unique_fd.hpp"
#include "runtime/executors/warden_protocol.hpp"
#include "runtime/executors/work_root.hpp"
#include "schema/errc.hpp"

namespace coppice::executors {

// Whether the job can be sent to a warden at all: sizes, counts, no NUL. `invalid_argument`. Any thread.
expected<void> check_job(const exec_job& job);

struct launch {
    spawn_request request;
    std::array<unique_fd, 3> standard; // the program's ends: stdin, stdout, stderr
    unique_fd out;                     // the runner's ends, non-blocking
    unique_fd err;
};

// Makes the directory of the attempt; on failure it is the caller's to discard. The error is the attempt's outcome.
tl::expected<launch, attempt_outcome> prepare(const exec_job& job, std::uint64_t token,
                                              const std::string& search_path, work_root& root);

// One JSON object a line: {"id","type","state","result"}, or {"id","type","state","truncated":true}. A result that
// is not UTF-8 has its stray bytes replaced by U+FFFD.
std::string parents_text(const std::vector<parent_result>& parents);

// Paths of what lies in the working directory for the program to read; empty: there is none.
struct job_files {
    std::string parents;    // JOB_PARENTS
    std::string checkpoint; // JOB_CHECKPOINT: as an attempt before this one left it
};

// The environment, "NAME=value" each: PATH, HOME and TMPDIR (the working directory), LANG, what the job adds,
// JOB_*.
std::vector<std::string> environment_of(const exec_job& job, const std::string& search_path,
                                        const std::string& directory, const job_files& files);

} // namespace coppice::executors
