#include "runtime/executors/warden_spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace coppice::executors {

namespace {

constexpr std::uint64_t cpu_seconds_after_warning = 5; // between SIGXCPU and SIGKILL

struct spawn_error {
    spawn_stage stage = spawn_stage::exec;
    int error = 0;
};

// All that the child needs, made before the fork: it may neither allocate nor write the memory that it shares with
// its parent until execve.
struct child_plan {
    const request_view* request = nullptr;
    int standard[3] = {-1, -1, -1};
    int error_pipe = -1;
    pid_t warden = 0;
};

void leave(const child_plan& plan, spawn_stage stage) {
    const spawn_error report{stage, errno};
    [[maybe_unused]] const auto written = ::write(plan.error_pipe, &report, sizeof report);
    ::_exit(127);
}

bool bound(int resource, std::uint64_t soft, std::uint64_t hard) {
    rlimit current{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &current) != 0) return false;
    // A limit that the node itself has is not to be exceeded.
    if (hard < current.rlim_max) current.rlim_max = hard;
    current.rlim_cur = soft < current.rlim_max ? soft : current.rlim_max;
    return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &current) == 0;
}

bool set_limits(const exec_rlimits& limits) {
    const auto optional_bound = [](int resource, std::uint64_t value) {
        return value == 0 || bound(resource, value, value);
    };
    const auto cpu = limits.cpu_seconds;
    return bound(RLIMIT_CORE, 0, 0) && (cpu == 0 || bound(RLIMIT_CPU, cpu, cpu + cpu_seconds_after_warning)) &&
           optional_bound(RLIMIT_FSIZE, limits.file_bytes) && optional_bound(RLIMIT_NOFILE, limits.open_files) &&
           optional_bound(RLIMIT_AS, limits.address_space_bytes);
}

// In the child. The parent death signal is for a warden that is killed itself: then nobody else would end the
// child.
[[noreturn]] void become(const child_plan& plan) {
    const auto& request = *plan.request;
    if (::setsid() < 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) leave(plan, spawn_stage::prepare);
    if (::getppid() != plan.warden) ::_exit(127);
    for (int i = 0; i < 3; ++i)
        if (::dup2(plan.standard[i], i) < 0) leave(plan, spawn_stage::prepare);
    // Everything is close-on-exec already: this is for a descriptor that a library forgot.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::umask(077);
    if (::chdir(request.directory) != 0) leave(plan, spawn_stage::directory);
    sigset_t none;
    ::sigemptyset(&none);
    if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) leave(plan, spawn_stage::prepare);
    if (!set_limits(request.rlimits)) leave(plan, spawn_stage::prepare);
    ::execve(request.program, const_cast<char* const*>(request.argv.data()),
             const_cast<char* const*>(request.env.data()));
    leave(plan, spawn_stage::exec);
    ::_exit(127);
}

// vfork: the warden waits anyway, and copying its page tables would be most of the cost of a short job.
[[gnu::noinline]] pid_t fork_child(const child_plan& plan) {
    const pid_t pid = ::vfork();
    if (pid == 0) become(plan);
    return pid;
}

void reap(pid_t pid) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

spawned failed(spawn_stage stage, int error) { return {-1, unique_fd(), stage, error}; }

} // namespace

spawned spawn_child(const request_view& request, const unique_fd (&standard)[3]) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return failed(spawn_stage::fork, errno);
    const unique_fd read_end(ends[0]);
    unique_fd write_end(ends[1]);
    const child_plan plan{
        &request, {standard[0].get(), standard[1].get(), standard[2].get()}, write_end.get(), ::getpid()};
    const pid_t pid = fork_child(plan);
    if (pid < 0) return failed(spawn_stage::fork, errno);
    write_end.reset();
    spawn_error report;
    ssize_t size = 0;
    do size = ::read(read_end.get(), &report, sizeof report);
    while (size < 0 && errno == EINTR);
    if (size == static_cast<ssize_t>(sizeof report)) {
        reap(pid);
        return failed(report.stage, report.error);
    }
    unique_fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) {
        const int error = errno;
        ::kill(-pid, SIGKILL);
        reap(pid);
        return failed(spawn_stage::fork, error);
    }
    return {pid, std::move(process), spawn_stage::exec, 0};
}

} // namespace coppice::executors
