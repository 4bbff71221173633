// Runs attempts as subprocesses: the executor "exec".
//
// Intuition: one thread with an epoll loop reads every program's stdout and stderr; a warden (warden.hpp) starts,
// signals and reaps the programs, and kills them all should this process die. A program's words become reports; all
// that is ready at one turn of the loop goes out together, so that it can be one commit.
//
// Invariants: every accepted start gives exactly one outcome, after all of the attempt's other reports and in one
// report with its last lines. When an outcome is reported, the program and its process group have been killed or
// have ended, and its working directory is no longer known by its name. What is held for an attempt is bounded:
// result_bytes_max of stdout, limits::exec_log_buffer_size_max of lines.
//
// Threads: every function may be called on any thread, from the sink too, but `stop` and the destructor not from
// the sink. SIGCHLD is left alone; the process must not wait for "any child" (waitpid(-1)) nor ignore SIGCHLD.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "runtime/executors/exec_job.hpp"
#include "runtime/executors/warden.hpp"
#include "schema/errc.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

struct exec_config {
    std::string work_root; // directory for the attempts' working directories; made when missing, held by one runner
                           // at a time, leftovers removed
    std::size_t attempts_max =
        limits::exec_attempts_max; // under way at a time; the caller's slots are usually fewer
    std::string search_path = "/usr/local/bin:/usr/bin:/bin"; // PATH of the programs
    std::string warden_program = "/proc/self/exe"; // must call warden_main(warden_socket) for warden_argv
    std::vector<std::string> warden_argv = {"coppice", warden_subcommand};
};

// Called on the runner's thread, never with an empty vector. It should hand over and return: while it runs, nothing
// is read. It must not throw.
using report_sink = std::function<void(std::vector<attempt_report>)>;

class exec_runner {
  public:
    // Takes the work root, launches the warden and the thread. `data_directory_locked`, `unavailable`.
    static expected<std::unique_ptr<exec_runner>> open(exec_config config, report_sink sink);
    ~exec_runner(); // stop(0)
    exec_runner(const exec_runner&) = delete;
    exec_runner& operator=(const exec_runner&) = delete;

    // Accepts the job; what becomes of it the sink hears. Refusals: `invalid_argument` (sizes, NUL bytes),
    // `already_exists` (this attempt is under way), `overloaded` (attempts_max), `unavailable` (stopping, or the
    // warden keeps dying).
    expected<void> start(exec_job job);

    // SIGTERM to the attempt's process group, SIGKILL after `grace`. Outcome `cancelled`, or `succeeded` if it
    // exited with 0 after all. An attempt that is not under way: nothing happens. Of several calls the shortest
    // grace holds.
    void cancel(const attempt_ref& ref, milliseconds grace);
    // SIGKILL at once, as cancel without grace.
    void kill(const attempt_ref& ref);

    // No more starts; what runs is ended as by cancel, outcome `lost` (or `succeeded`). Returns when every outcome
    // has been through the sink and the warden is gone: at most `grace` and some ten seconds for what is stuck in
    // the kernel.
    void stop(milliseconds grace);

    std::size_t under_way() const; // accepted, outcome not yet reported
    int warden_pid() const;        // -1 when there is none at the moment

  private:
    struct state;
    explicit exec_runner(std::unique_ptr<state> made);
    std::unique_ptr<state> state_;
};

} // namespace coppice
