// What the process tells the shell.
#pragma once

namespace coppice::cli {

enum class exit_status : int {
    ok = 0,
    failed = 1,      // the node refused, something was found, or a job that was waited for did not succeed
    usage = 2,       // the command line is not one; nothing was sent
    unavailable = 3, // no node answered
};

// The graver of two: a batch is as bad as its worst part.
inline exit_status worse(exit_status a, exit_status b) { return static_cast<int>(a) < static_cast<int>(b) ? b : a; }

} // namespace coppice::cli
