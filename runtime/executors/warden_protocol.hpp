// What the node and its warden say to each other: packets of a SOCK_SEQPACKET socket pair, one message each, in the
// machine's own byte order since both ends are the same program on the same machine.
//
//   node -> warden   spawn (with the program's stdin, stdout, stderr as SCM_RIGHTS), signal, release
//   warden -> node   started, spawn_failed, exited
//
// A token names a child from its spawn to its release; the node never uses one twice. After `exited` the warden
// still holds the child's process id (unreaped), so that a signal to its group can hit nobody else, until
// `release`.
//
// Both ends check what they read: sizes, counts, terminators. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/executors/exec_job.hpp"
#include "schema/limits.hpp"

namespace coppice::executors {

enum class request_kind : std::uint32_t {
    spawn = 1,
    signal = 2,  // to the child's process group
    release = 3, // kill what is left of the group, forget the token
};

struct spawn_request {
    std::uint64_t token = 0;
    std::string program; // resolved; argv[0] is only a name
    std::string directory;
    std::vector<std::string> argv;
    std::vector<std::string> env; // "NAME=value"
    exec_rlimits rlimits;
};

// A decoded request. The pointers lead into the packet.
struct request_view {
    request_kind kind = request_kind::release;
    std::uint64_t token = 0;
    int signal = 0;
    const char* program = nullptr;
    const char* directory = nullptr;
    std::vector<const char*> argv; // ends with a null pointer, as execve wants it
    std::vector<const char*> env;  // as argv
    exec_rlimits rlimits;
};

// A string with a NUL in it would shift what follows: callers have refused it before.
std::string encode(const spawn_request& request);
std::string encode_signal(std::uint64_t token, int signal);
std::string encode_release(std::uint64_t token);
std::optional<request_view> decode_request(std::string_view packet);

enum class event_kind : std::uint32_t {
    started = 1,      // value: process id, which is also the group's and the session's
    spawn_failed = 2, // value: errno; detail: spawn_stage
    exited = 3,       // value: exit status; detail: the signal that ended it, or 0
};

enum class spawn_stage : std::int32_t { fork = 1, prepare = 2, directory = 3, exec = 4 };

struct warden_event {
    event_kind kind = event_kind::started;
    std::int32_t value = 0;
    std::uint64_t token = 0;
    std::int32_t detail = 0;
    std::int32_t unused = 0;
};

std::string encode(const warden_event& event);
std::optional<warden_event> decode_event(std::string_view packet);

} // namespace coppice::executors
