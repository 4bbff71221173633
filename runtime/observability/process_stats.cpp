#include "runtime/observability/process_stats.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace coppice {
namespace {

struct stat_line {
    std::uint64_t threads = 0;
    std::uint64_t start_ticks = 0; // since the machine was started
};

// Fields 20 and 22 of proc_pid_stat(5). The name in field 2 may hold anything, a parenthesis too.
stat_line read_stat() {
    std::ifstream file{"/proc/self/stat"};
    std::string text;
    std::getline(file, text, '\0'); // the name may hold a newline
    const std::size_t name_end = text.rfind(')');
    stat_line found;
    if (name_end == std::string::npos) return found;
    std::istringstream fields{text.substr(name_end + 1)};
    std::string skipped;
    for (int field = 3; field < 20; ++field) fields >> skipped;
    fields >> found.threads >> skipped >> found.start_ticks;
    return found;
}

std::uint64_t open_descriptors() {
    std::error_code failed;
    std::uint64_t count = 0;
    for (std::filesystem::directory_iterator at{"/proc/self/fd", failed}, end; !failed && at != end;
         at.increment(failed))
        ++count;
    return count > 0 ? count - 1 : 0; // one of them is this look
}

double seconds(timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

} // namespace

process_stats read_process_stats() {
    process_stats s;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0; // of files, and shared memory
    if (std::ifstream{"/proc/self/statm"} >> size >> resident >> shared) {
        s.virtual_bytes = size * page;
        s.resident_bytes = resident * page;
        s.anonymous_bytes = (resident - std::min(shared, resident)) * page;
    }
    s.threads = read_stat().threads;
    s.open_fds = open_descriptors();
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) s.max_fds = files.rlim_cur;
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0) s.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    return s;
}

instant process_start_time() {
    timespec up{};
    if (::clock_gettime(CLOCK_BOOTTIME, &up) != 0) return never;
    const instant booted = wall_clock_now() - std::chrono::seconds{up.tv_sec} - microseconds{up.tv_nsec / 1000};
    const double started_s =
        static_cast<double>(read_stat().start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    return booted + microseconds{static_cast<std::int64_t>(started_s * 1e6)};
}

} // namespace coppice
