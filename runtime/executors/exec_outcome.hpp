// From how a subprocess ended, and what the node wanted of it, to the attempt's outcome: one table, no I/O.
#pragma once

#include <optional>
#include <string>

#include "actors/jobs/attempt.hpp"
#include "runtime/executors/warden_protocol.hpp"

namespace coppice::executors {

// Exit statuses with a meaning of their own. EX_TEMPFAIL (75, sysexits.h) needs none: it is a failure that is tried
// again, as every other status is.
inline constexpr int exit_permanent = 100;

// Why the runner ended a program that did not end by itself.
enum class ending {
    natural,          // it did
    cancelled,        // cancel or kill
    timed_out,        // assignment::attempt_timeout
    result_too_large, // more stdout than assignment::result_bytes_max
    stopped,          // the runner stops
    warden_lost,      // the warden is gone, and the process with it
};

struct exit_state {
    int status = 0;
    int signal = 0; // 0: it exited with `status`
};

struct ended {
    ending why = ending::natural;
    std::optional<exit_state> exit; // empty: not seen, it is stuck in the kernel or was never started
    std::string result;             // its stdout
    std::string last_line;          // of its stderr
};

// A program that was told to stop (cancelled, stopped) and yet exits with 0 has succeeded.
attempt_outcome outcome_of(ended end, const assignment& work);

// It could not be started: `exec_failed`, naming the program and the system's reason. Permanent, unless the reason
// is a shortage that passes (descriptors, memory, processes).
attempt_outcome outcome_of_failed_start(const std::string& what, int error);

} // namespace coppice::executors
