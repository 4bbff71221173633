// What the kernel says of this process. Linux: getrusage, getrlimit, /proc/self. Cheap enough for every scrape;
// what cannot be read is 0. Any thread.
//
// Memory: `resident` of a node holds the pages of its stores that happen to be in the page cache, which the kernel
// takes back at will; `anonymous` is what the process itself holds, and what grows when something leaks. From
// /proc/self/statm, since smaps_rollup walks the page tables: milliseconds on a large map.
#pragma once

#include <cstdint>

#include "schema/time.hpp"

namespace coppice {

struct process_stats {
    std::uint64_t virtual_bytes = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t anonymous_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0; // the soft limit
    std::uint64_t threads = 0;
    double cpu_seconds = 0; // user and system, all threads
};
process_stats read_process_stats();

// When the process was started, by the wall clock of now.
instant process_start_time();

} // namespace coppice
