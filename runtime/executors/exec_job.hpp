// What an exec_runner is given to run: an assignment, resolved to a program. Plain values, owned by whoever holds
// them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "actors/jobs/attempt.hpp"

namespace coppice {

// setrlimit(2) for the program and, each for itself, everything it starts; 0 means no bound. Core dumps are always
// off. The defaults stop a runaway and let the usual runtimes start: they reserve far more addresses than memory.
struct exec_rlimits {
    std::uint64_t cpu_seconds = 3600;                            // RLIMIT_CPU; SIGXCPU there, SIGKILL 5 s later
    std::uint64_t address_space_bytes = std::uint64_t{16} << 30; // RLIMIT_AS
    std::uint64_t file_bytes = std::uint64_t{4} << 30;           // RLIMIT_FSIZE, of one file
    std::uint64_t open_files = 1024;                             // RLIMIT_NOFILE
    bool operator==(const exec_rlimits&) const = default;
};

struct exec_job {
    assignment work;
    std::vector<std::string> argv; // argv[0] names the program: a path, or looked up in PATH
    std::string stdin_bytes;
    std::vector<std::pair<std::string, std::string>> env; // besides the environment that every job gets; a JOB_
                                                          // name here changes nothing
    exec_rlimits rlimits;
};

} // namespace coppice
