#include "runtime/executors/warden_link.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "runtime/executors/warden.hpp"

namespace coppice::executors {

namespace {

using namespace std::chrono;

// posix_spawn's two argument objects, destroyed whichever way the function ends.
struct spawn_setup {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};

    spawn_setup() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    spawn_setup(const spawn_setup&) = delete;
    spawn_setup& operator=(const spawn_setup&) = delete;
    ~spawn_setup() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }

    // Nothing of the node's but stderr and the socket; every signal as it is by default, for the jobs' sake: an
    // ignored one would stay so through every exec.
    int fill(int socket) {
        sigset_t all;
        ::sigfillset(&all);
        ::sigdelset(&all, SIGKILL);
        ::sigdelset(&all, SIGSTOP);
        int error = ::posix_spawnattr_setsigdefault(&attributes, &all);
        if (error == 0) error = ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions, socket, warden_socket);
        if (error == 0) error = ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (error == 0) error = ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&actions, warden_socket + 1);
        return error;
    }
};

bool is_transient(int error) {
    return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ETOOMANYREFS;
}

} // namespace

expected<warden_link> warden_link::launch(const std::string& program, const std::vector<std::string>& argv) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(errc::unavailable,
                    "cannot make the warden's socket: " + std::generic_category().message(errno));
    unique_fd mine(ends[0]);
    const unique_fd theirs(ends[1]);
    ::fcntl(mine.get(), F_SETFL, O_NONBLOCK);
    std::vector<char*> arguments;
    for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    spawn_setup setup;
    pid_t pid = -1;
    int error = setup.fill(theirs.get());
    if (error == 0)
        error = ::posix_spawn(&pid, program.c_str(), &setup.actions, &setup.attributes, arguments.data(), environ);
    if (error != 0)
        return fail(errc::unavailable,
                    "cannot start the warden " + program + ": " + std::generic_category().message(error));
    return warden_link(std::move(mine), pid);
}

warden_link::~warden_link() {
    if (!socket_) return;
    socket_.reset();
    const unique_fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    const auto deadline = steady_clock::now() + farewell_wait;
    for (bool ended = false; process && !ended;) {
        const auto left = ceil<milliseconds>(deadline - steady_clock::now()).count();
        pollfd until_end{process.get(), POLLIN, 0};
        const int ready = ::poll(&until_end, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
        ended = ready > 0 || (ready == 0 && left <= 0) || (ready < 0 && errno != EINTR);
    }
    // Harmless to one that has ended: it is not reaped yet, so the number is still its own.
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

int warden_link::send_now(const packet& outgoing) const {
    iovec data{const_cast<char*>(outgoing.bytes.data()), outgoing.bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (outgoing.token != 0) {
        const int descriptors[3] = {outgoing.standard[0].get(), outgoing.standard[1].get(),
                                    outgoing.standard[2].get()};
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof descriptors);
        std::memcpy(CMSG_DATA(part), descriptors, sizeof descriptors);
    }
    return ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

int warden_link::post(packet outgoing) {
    if (outbox_.empty()) {
        const int error = send_now(outgoing);
        if (!is_transient(error)) return error;
    }
    outbox_.push_back(std::move(outgoing));
    return 0;
}

int warden_link::spawn(const spawn_request& request, std::array<unique_fd, 3> standard) {
    auto bytes = encode(request);
    if (bytes.size() > limits::exec_request_size_max) return E2BIG;
    return post({std::move(bytes), std::move(standard), request.token});
}

void warden_link::signal(std::uint64_t token, int number) { post({encode_signal(token, number), {}, 0}); }

void warden_link::release(std::uint64_t token) { post({encode_release(token), {}, 0}); }

void warden_link::flush(std::vector<warden_event>& failed) {
    while (!outbox_.empty()) {
        const auto& outgoing = outbox_.front();
        const int error = send_now(outgoing);
        if (is_transient(error)) return;
        if (error != 0 && outgoing.token != 0)
            failed.push_back(
                {event_kind::spawn_failed, error, outgoing.token, static_cast<std::int32_t>(spawn_stage::fork)});
        outbox_.pop_front();
    }
}

bool warden_link::receive(std::vector<warden_event>& events, std::size_t events_max) {
    char buffer[sizeof(warden_event) + 1];
    for (std::size_t i = 0; i < events_max; ++i) {
        const auto size = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN;
        const auto event = decode_event({buffer, static_cast<std::size_t>(size)});
        if (!event) return false;
        events.push_back(*event);
    }
    return true;
}

} // namespace coppice::executors
