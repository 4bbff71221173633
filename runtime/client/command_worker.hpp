// The body of `coppice worker -- CMD ...`: a worker whose attempts are runs of one command.
//
// Intuition: the same exec_runner as the node's own executor, at the end of a connection. The command gets the
// payload on stdin and JOB_ID, JOB_ATTEMPT, JOB_TENANT, JOB_TYPE, JOB_PARENTS, ... in its environment; its stdout
// is the result, lines on stderr are log lines; it ends with 0 for success, 100 for a failure that is not to be
// tried again, anything else for one that is (runtime/executors/README.md). Told to stop it gets SIGTERM, then
// SIGKILL.
//
// The program that calls this must run the warden when it is started as one (runtime/executors/warden.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/client/options.hpp"
#include "runtime/client/worker.hpp"
#include "runtime/executors/exec_job.hpp"
#include "schema/errc.hpp"

namespace coppice::client {

struct command_options {
    std::vector<std::string> argv; // the command; argv[0] is a path, or looked up in PATH
    std::string work_root;         // directory for working directories; empty: one of our own under TMPDIR
    std::vector<std::pair<std::string, std::string>> env; // besides what every job gets
    exec_rlimits rlimits;
    milliseconds stop_grace{10'000};
    std::string warden_program = "/proc/self/exe"; // runs the warden when started as `coppice exec-warden`
};

// The runner alone, for a `worker` on a loop of the caller's. Starts threads and a process.
expected<std::unique_ptr<attempt_runner>> make_command_runner(command_options command, std::uint32_t slots);

// Runs until SIGTERM or SIGINT, then drains; see run_worker.
// `invalid_argument`: no command, no types, no slots. Otherwise the errors of worker::run and exec_runner::open.
expected<void> run_command_worker(options where, worker_options what, command_options command);

} // namespace coppice::client
