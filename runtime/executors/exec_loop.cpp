// Part one: the turn of the loop, the warden, what other threads said. Part two is exec_attempts.cpp.
#include "runtime/executors/exec_loop.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "runtime/executors/exec_launch.hpp"
#include "schema/limits.hpp"

namespace coppice::executors {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t inbox_key = 0;
constexpr std::uint64_t warden_key = 1;
constexpr std::size_t chunk_size = 32 * 1024; // read at once from one pipe; then it is another's turn
constexpr int events_max = 128;
constexpr auto launch_again = 1s;

} // namespace

expected<void> exec_loop::open() {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event on_inbox{EPOLLIN, {.u64 = inbox_key}};
    if (!epoll_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, inbox_.wake_fd(), &on_inbox) != 0)
        return fail(errc::unavailable, "cannot watch descriptors: " + std::generic_category().message(errno));
    chunk_.resize(chunk_size);
    if (!root_.bin().clean_from_now_on()) return fail(errc::unavailable, "cannot start the thread that cleans");
    return launch_warden();
}

void exec_loop::run() {
    while (!stopping_ || !attempts_.empty()) {
        wait_and_dispatch();
        fire_due();
        take_inbox();
        watch_warden();
        deliver();
    }
    link_.reset();
    inbox_.set_warden(-1, false);
}

void exec_loop::take_inbox() {
    auto content = inbox_.take();
    for (auto& job : content.starts) begin(std::move(job));
    for (const auto& [ref, grace] : content.cancels)
        if (auto* one = find(ref)) end_early(*one, ending::cancelled, grace);
    if (content.stop) begin_stop(*content.stop);
}

void exec_loop::begin(exec_job job) {
    if (!ensure_warden()) return reject(job.work, outcome_of({ending::warden_lost, {}, {}, {}}, job.work));
    const auto token = ++last_token_;
    auto prepared = prepare(job, token, config_.search_path, root_);
    if (!prepared) return reject(job.work, std::move(prepared.error()));
    auto made = std::make_unique<attempt>();
    attempt& one = *made;
    one.token = token;
    one.work = std::move(job.work);
    one.work.payload = {};
    one.work.parents = {};
    one.out = std::move(prepared->out);
    one.err = std::move(prepared->err);
    const auto timeout = one.work.attempt_timeout;
    one.timeout_at = timeout > 0ms ? now_ + std::min<milliseconds>(timeout, limits::delay_max) : far;
    one.kill_at = one.give_up_at = one.drained_at = one.flush_at = one.interval_end = one.scheduled = far;
    if (!watch(one.out, (token << 1 | static_cast<std::uint64_t>(which::out)), EPOLLIN, EPOLL_CTL_ADD) ||
        !watch(one.err, (token << 1 | static_cast<std::uint64_t>(which::err)), EPOLLIN, EPOLL_CTL_ADD))
        return reject(one.work, outcome_of_failed_start(job.argv.front(), errno));
    if (const int error = link_->spawn(prepared->request, std::move(prepared->standard)); error != 0)
        return reject(one.work, outcome_of_failed_start(job.argv.front(), error));
    one.program = std::move(job.argv.front());
    tokens_.emplace(one.work.ref, token);
    attempts_.emplace(token, std::move(made));
    schedule(one);
}

void exec_loop::begin_stop(milliseconds grace) {
    stopping_ = true;
    for (const auto& [token, one] : attempts_) end_early(*one, ending::stopped, grace);
}

expected<void> exec_loop::launch_warden() {
    auto launched = warden_link::launch(config_.warden_program, config_.warden_argv);
    if (!launched) return tl::unexpected(launched.error());
    epoll_event event{EPOLLIN, {.u64 = warden_key}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, launched->fd(), &event) != 0)
        return fail(errc::unavailable, "cannot watch the warden: " + std::generic_category().message(errno));
    link_.emplace(std::move(*launched));
    link_writable_watched_ = false;
    inbox_.set_warden(link_->pid(), true);
    return {};
}

bool exec_loop::ensure_warden() {
    if (link_) return true;
    while (!launches_.empty() && launches_.front() + limits::exec_warden_restart_period <= now_)
        launches_.pop_front();
    bool launched = false;
    if (!stopping_ && launches_.size() < limits::exec_warden_restarts_max) {
        launches_.push_back(now_);
        launched = launch_warden().has_value();
    }
    if (!launched) inbox_.set_warden(-1, false);
    launch_at_ = launched || stopping_ ? far : now_ + launch_again;
    return launched;
}

// Its children got SIGKILL with its death; their own children did not. The groups' numbers are still theirs unless
// they are gone altogether, and process ids do not come round within a turn of this loop.
void exec_loop::warden_lost() {
    for (const auto& [token, one] : attempts_)
        if (one->pid > 0) ::kill(-one->pid, SIGKILL);
    link_.reset();
    std::vector<attempt*> all;
    for (const auto& [token, one] : attempts_) all.push_back(one.get());
    for (auto* one : all) {
        if (one->why == ending::natural && !one->exit) one->why = ending::warden_lost;
        finish_ended(*one);
    }
    ensure_warden();
}

bool exec_loop::watch(const unique_fd& fd, std::uint64_t key, std::uint32_t events, int operation) const {
    epoll_event event{events, {.u64 = key}};
    return ::epoll_ctl(epoll_.get(), operation, fd.get(), &event) == 0;
}

void exec_loop::watch_warden() {
    if (!link_ || link_->wants_to_write() == link_writable_watched_) return;
    link_writable_watched_ = !link_writable_watched_;
    epoll_event event{EPOLLIN | (link_writable_watched_ ? EPOLLOUT : 0U), {.u64 = warden_key}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, link_->fd(), &event);
}

int exec_loop::wait_ms() const {
    auto next = launch_at_;
    if (!due_.empty()) next = std::min(next, due_.begin()->first);
    if (next == far) return -1;
    const auto left = std::chrono::ceil<milliseconds>(next - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void exec_loop::wait_and_dispatch() {
    epoll_event events[events_max];
    const int count = ::epoll_wait(epoll_.get(), events, events_max, wait_ms());
    now_ = clock::now();
    for (int i = 0; i < count; ++i) {
        const auto key = events[i].data.u64;
        if (key == inbox_key) continue; // it is taken every turn
        if (key == warden_key) {
            on_warden(events[i].events);
        } else if (auto* one = find(key >> 1)) {
            const bool open = (key & 1) == static_cast<std::uint64_t>(which::out) ? read_out(*one) : read_err(*one);
            if (!open && one->exit && !one->out && !one->err) finish_ended(*one);
        }
    }
}

void exec_loop::on_warden(std::uint32_t events) {
    if (!link_) return;
    events_.clear();
    if ((events & EPOLLOUT) != 0) link_->flush(events_);
    const bool alive = link_->receive(events_, events_max);
    for (const auto& event : events_) on_event(event);
    if (!alive) warden_lost();
}

void exec_loop::on_event(const warden_event& event) {
    auto* one = find(event.token);
    if (one == nullptr) return;
    switch (event.kind) {
    case event_kind::started:
        one->pid = event.value;
        return;
    case event_kind::spawn_failed: {
        const bool directory = event.detail == static_cast<std::int32_t>(spawn_stage::directory);
        return finish(*one,
                      outcome_of_failed_start(one->program + (directory ? " in its directory" : ""), event.value));
    }
    case event_kind::exited:
        one->exit = exit_state{event.value, event.detail};
        one->kill_at = one->give_up_at = one->timeout_at = far;
        one->drained_at = now_ + limits::exec_pipe_grace;
        drain(*one);
        if (!one->out && !one->err) return finish_ended(*one);
        return schedule(*one);
    }
}

void exec_loop::deliver() {
    if (!ended_.empty()) inbox_.ended(ended_);
    ended_.clear();
    if (reports_.empty()) return;
    auto reports = std::exchange(reports_, {});
    sink_(std::move(reports));
}

exec_loop::attempt* exec_loop::find(std::uint64_t token) {
    const auto found = attempts_.find(token);
    return found == attempts_.end() ? nullptr : found->second.get();
}

exec_loop::attempt* exec_loop::find(const attempt_ref& ref) {
    const auto found = tokens_.find(ref);
    return found == tokens_.end() ? nullptr : find(found->second);
}

} // namespace coppice::executors
