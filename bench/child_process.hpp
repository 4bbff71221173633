// Programs that a bench starts beside itself, and where they keep their files.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "schema/errc.hpp"

namespace coppice::bench {

// Below the system's place for temporary files, or /var/tmp when that lies in memory, where an fsync is nothing.
std::filesystem::path disk_directory();
// A new directory below `where`, for the caller to remove. Throws std::runtime_error when it cannot be made.
std::filesystem::path make_own_directory(const std::filesystem::path& where);

// `argv`: the program, looked up as a shell does, and its arguments. What it says is added to these files; they may
// be one. unavailable: no process could be made.
expected<pid_t> spawn(const std::vector<std::string>& argv, const std::filesystem::path& out,
                      const std::filesystem::path& err);
// Signals it and waits for its end; nothing when `pid` is none. Afterwards it is -1.
void end_process(pid_t& pid, int signal);

} // namespace coppice::bench
