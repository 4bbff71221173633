#include "bench/child_process.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>

namespace coppice::bench {
namespace {

// In the child, between fork and exec.
void send_to(const char* file, int descriptor) {
    ::dup2(::open(file, O_WRONLY | O_CREAT | O_APPEND, 0600), descriptor);
}

} // namespace

std::filesystem::path disk_directory() {
    auto usual = std::filesystem::temp_directory_path();
    struct statfs about {};
    if (::statfs(usual.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC) return "/var/tmp";
    return usual;
}

std::filesystem::path make_own_directory(const std::filesystem::path& where) {
    std::string pattern = where / "coppice-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    return pattern;
}

expected<pid_t> spawn(const std::vector<std::string>& argv, const std::filesystem::path& out,
                      const std::filesystem::path& err) {
    std::vector<char*> raw;
    for (const std::string& each : argv) raw.push_back(const_cast<char*>(each.c_str()));
    raw.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return fail(errc::unavailable, "fork");
    if (pid > 0) return pid;
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    send_to(out.c_str(), 1);
    send_to(err.c_str(), 2);
    ::execvp(raw[0], raw.data());
    ::_exit(127);
}

void end_process(pid_t& pid, int signal) {
    if (pid <= 0) return;
    ::kill(pid, signal);
    ::waitpid(std::exchange(pid, -1), nullptr, 0);
}

} // namespace coppice::bench
