#include "runtime/executors/warden.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/executors/warden_protocol.hpp"
#include "runtime/executors/warden_spawn.hpp"

namespace coppice {

namespace {

using namespace executors;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto sweep_interval = 200ms;
constexpr int sweeps_after_event = 3; // a group dies asynchronously; what it leaves behind arrives a little later
constexpr auto farewell_max = 10s;    // then what is stuck in the kernel is left to init
constexpr std::size_t children_list_max = 1024 * 1024;
constexpr std::uint64_t socket_key = 0;
constexpr std::uint64_t signal_key = ~std::uint64_t{0};

struct child {
    pid_t pid = -1;
    unique_fd process;
    bool exited = false;
    bool released = false;
};

// The processes whose parent the warden is now, adopted ones too. The kernel's list may miss some that come and go
// while it is read (proc(5)): callers look again.
std::vector<pid_t> children_of_self() {
    std::vector<pid_t> pids;
    const unique_fd file(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
    std::string text;
    char chunk[4096];
    while (file && text.size() < children_list_max) {
        const auto size = ::read(file.get(), chunk, sizeof chunk);
        if (size <= 0) break;
        text.append(chunk, static_cast<std::size_t>(size));
    }
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        pid_t pid = 0;
        const auto [next, error] = std::from_chars(at, end, pid);
        if (error == std::errc{} && pid > 0) pids.push_back(pid);
        at = next + 1;
    }
    return pids;
}

class warden {
  public:
    explicit warden(int socket) : socket_(socket), packet_(limits::exec_request_size_max + 1, '\0') {}

    bool open();
    void run();
    void farewell();

  private:
    bool receive();
    void spawn(const request_view& request, const unique_fd (&standard)[3]);
    void send(const warden_event& event);
    void child_ended(std::uint64_t token);
    void release(std::uint64_t token);
    void forget(std::unordered_map<std::uint64_t, child>::iterator found);
    void sweep();
    int wait_ms() const;

    unique_fd socket_;
    unique_fd epoll_;
    unique_fd signals_;
    std::string packet_;
    std::unordered_map<std::uint64_t, child> children_;
    std::unordered_map<pid_t, std::uint64_t> tokens_;
    int sweeps_due_ = 0;
    steady::time_point next_sweep_{};
    bool connected_ = true;
};

bool warden::open() {
    ::fcntl(socket_.get(), F_SETFD, FD_CLOEXEC);
    // A descriptor that arrives must not land on 0, 1 or 2, where the child's own are put.
    for (int fd = 0; fd < 3; ++fd)
        if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) return false;
    // Away from the terminal's Ctrl-C and from a stop of the node's process group: only the socket says when to go.
    ::setsid();
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::prctl(PR_SET_NAME, "coppice-warden");
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return false;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t child_signal;
    ::sigemptyset(&child_signal);
    ::sigaddset(&child_signal, SIGCHLD);
    signals_.reset(::signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK));
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return false;
    epoll_event on_socket{EPOLLIN, {.u64 = socket_key}};
    epoll_event on_signal{EPOLLIN, {.u64 = signal_key}};
    return signals_ && epoll_ && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket_.get(), &on_socket) == 0 &&
           ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signals_.get(), &on_signal) == 0;
}

int warden::wait_ms() const {
    if (sweeps_due_ == 0) return -1;
    const auto left = std::chrono::ceil<milliseconds>(next_sweep_ - steady::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
}

void warden::run() {
    epoll_event events[64];
    while (connected_) {
        const int count = ::epoll_wait(epoll_.get(), events, 64, wait_ms());
        for (int i = 0; i < count && connected_; ++i) {
            if (events[i].data.u64 == socket_key) {
                connected_ = receive();
            } else if (events[i].data.u64 == signal_key) {
                signalfd_siginfo info[16];
                while (::read(signals_.get(), info, sizeof info) > 0) {
                }
                sweeps_due_ = sweeps_after_event;
            } else {
                child_ended(events[i].data.u64);
            }
        }
        if (sweeps_due_ > 0 && steady::now() >= next_sweep_) sweep();
    }
}

// One packet; false when the node is gone or talks nonsense, which is as good as gone.
bool warden::receive() {
    iovec data{packet_.data(), packet_.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const auto size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    unique_fd standard[3];
    std::size_t descriptors = 0;
    for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            unique_fd owned(fd);
            if (descriptors < 3) standard[descriptors++] = std::move(owned);
        }
    }
    if (size == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return false;
    const auto request = decode_request({packet_.data(), static_cast<std::size_t>(size)});
    if (!request || request->token == socket_key || request->token == signal_key) return false;
    switch (request->kind) {
    case request_kind::spawn:
        if (descriptors != 3 || children_.contains(request->token)) return false;
        spawn(*request, standard);
        return true;
    case request_kind::signal:
        if (const auto found = children_.find(request->token); found != children_.end())
            ::kill(-found->second.pid, request->signal);
        return true;
    case request_kind::release:
        release(request->token);
        return true;
    }
    return false;
}

void warden::spawn(const request_view& request, const unique_fd (&standard)[3]) {
    // Twice the node's own bound: those that are released but not yet dead count too.
    if (children_.size() >= 2 * limits::exec_attempts_max)
        return send(
            {event_kind::spawn_failed, EAGAIN, request.token, static_cast<std::int32_t>(spawn_stage::fork)});
    auto made = spawn_child(request, standard);
    if (made.pid < 0)
        return send({event_kind::spawn_failed, made.error, request.token, static_cast<std::int32_t>(made.stage)});
    epoll_event on_end{EPOLLIN, {.u64 = request.token}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, made.process.get(), &on_end) != 0) {
        const int error = errno;
        ::kill(-made.pid, SIGKILL); // swept up as an orphan
        sweeps_due_ = sweeps_after_event;
        return send({event_kind::spawn_failed, error, request.token, static_cast<std::int32_t>(spawn_stage::fork)});
    }
    tokens_[made.pid] = request.token;
    send({event_kind::started, made.pid, request.token, 0});
    children_.emplace(request.token, child{made.pid, std::move(made.process)});
}

// The node always reads, so a full socket drains; when it is gone, the next receive says so.
void warden::send(const warden_event& event) {
    const auto packet = encode(event);
    while (::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

void warden::child_ended(std::uint64_t token) {
    const auto found = children_.find(token);
    if (found == children_.end()) return;
    siginfo_t info{};
    // Not reaped: while the zombie stands, no other process or group can get its number.
    if (::waitid(P_PID, static_cast<id_t>(found->second.pid), &info, WEXITED | WNOWAIT | WNOHANG) != 0) return;
    if (info.si_pid == 0) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.process.get(), nullptr);
    found->second.exited = true;
    if (found->second.released) return forget(found);
    const bool by_itself = info.si_code == CLD_EXITED;
    send({event_kind::exited, by_itself ? info.si_status : 0, token, by_itself ? 0 : info.si_status});
}

void warden::release(std::uint64_t token) {
    const auto found = children_.find(token);
    if (found == children_.end()) return;
    ::kill(-found->second.pid, SIGKILL);
    found->second.released = true;
    if (found->second.exited) forget(found);
}

void warden::forget(std::unordered_map<std::uint64_t, child>::iterator found) {
    ::kill(-found->second.pid, SIGKILL);
    ::waitpid(found->second.pid, nullptr, WNOHANG);
    tokens_.erase(found->second.pid);
    children_.erase(found);
    sweeps_due_ = sweeps_after_event;
}

// Reaps orphans, and kills those whose session belongs to no child.
void warden::sweep() {
    next_sweep_ = steady::now() + sweep_interval;
    --sweeps_due_;
    for (const pid_t pid : children_of_self()) {
        if (tokens_.contains(pid) || ::waitpid(pid, nullptr, WNOHANG) == pid) continue;
        const pid_t session = ::getsid(pid);
        if (session > 0 && !tokens_.contains(session)) ::kill(pid, SIGKILL);
        sweeps_due_ = sweeps_after_event;
    }
}

void warden::farewell() {
    const auto deadline = steady::now() + farewell_max;
    for (const auto& [token, started] : children_) ::kill(-started.pid, SIGKILL);
    while (steady::now() < deadline) {
        pid_t reaped = 0;
        while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        if (reaped < 0 && errno == ECHILD) return;
        for (const pid_t pid : children_of_self()) ::kill(pid, SIGKILL);
        pollfd until_signal{signals_.get(), POLLIN, 0};
        ::poll(&until_signal, 1, 5);
        signalfd_siginfo info[16];
        while (::read(signals_.get(), info, sizeof info) > 0) {
        }
    }
}

} // namespace

int warden_main(int socket) {
    warden self(socket);
    if (!self.open()) return 1;
    self.run();
    self.farewell();
    return 0;
}

} // namespace coppice
