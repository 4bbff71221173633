// The warden: a small process of the node's own program (`coppice exec-warden`) that starts every job's subprocess,
// and outlives the node by just as long as it takes to kill them all.
//
// Intuition: a kill -9 leaves the node no last word, so somebody else must hold the leash. The warden is the parent
// of every subprocess and its subreaper (prctl(2)), so whatever a job leaves behind becomes its child sooner or
// later, even what left the job's session. Its socket to the node ends when the node ends, however that happened;
// then it kills every group it started, and every child it has or inherits, until it has none.
//
// It is spawned (posix_spawn of /proc/self/exe), not forked early: that works from a process with threads, so a
// warden that died can be replaced; it starts with none of the node's memory, keys or descriptors; and a vfork from
// its one thread is cheap and safe.
//
// Contract for jobs: their processes live in their session. One that left it and lost its parent is killed, within
// about half a second after any job's end.
#pragma once

namespace coppice {

// The word after the program's name that makes it a warden, and the descriptor at which it finds its socket.
inline constexpr const char* warden_subcommand = "exec-warden";
inline constexpr int warden_socket = 3;

// Runs until the socket's other end closes and nothing that was started lives. The exit status of the process: 0,
// or 1 when `socket` is no such socket. To be called first thing in main, by the only thread; takes over signals,
// the session and the descriptor for good.
int warden_main(int socket);

} // namespace coppice
