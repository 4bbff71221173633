// The warden's fork and exec: one child, in a session and process group of its own, with nothing of the warden's
// but the three descriptors meant for it.
#pragma once

#include <sys/types.h>

#include "runtime/executors/unique_fd.hpp"
#include "runtime/executors/warden_protocol.hpp"

namespace coppice::executors {

struct spawned {
    pid_t pid = -1;    // -1 when it failed
    unique_fd process; // pidfd; readable once it ended
    spawn_stage stage = spawn_stage::fork;
    int error = 0;
};

// Returns after the child's execve succeeded or failed; a child that failed has been reaped. The three descriptors
// must be above 2. Only for a process with one thread: the child is a vfork. `request` is a spawn.
spawned spawn_child(const request_view& request, const unique_fd (&standard)[3]);

} // namespace coppice::executors
