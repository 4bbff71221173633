// Part two of exec_loop.hpp: what happens to one attempt.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "runtime/executors/exec_loop.hpp"
#include "schema/limits.hpp"

namespace coppice::executors {

namespace {

// Of what a pipe holds at the end: its capacity, unless the program made it larger.
constexpr int drain_reads_max = 8;

enum class got { data, nothing, end };

got read_some(unique_fd& from, std::string& chunk, std::string_view& data) {
    ssize_t size = 0;
    do size = ::read(from.get(), chunk.data(), chunk.size());
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) return got::nothing;
    if (size <= 0) {
        from.reset();
        return got::end;
    }
    data = {chunk.data(), static_cast<std::size_t>(size)};
    return got::data;
}

} // namespace

// True while the pipe is open and had something.
bool exec_loop::read_out(attempt& one) {
    if (!one.out) return false;
    std::string_view data;
    const auto what = read_some(one.out, chunk_, data);
    if (what != got::data) return false;
    if (one.result.size() + data.size() <=
        std::min(one.work.result_bytes_max, std::uint64_t{limits::result_stored_size_max})) {
        one.result += data;
        return true;
    }
    one.out.reset();
    one.result = {};
    end_early(one, ending::result_too_large, milliseconds{0});
    return false;
}

bool exec_loop::read_err(attempt& one) {
    if (!one.err) return false;
    std::string_view data;
    const auto what = read_some(one.err, chunk_, data);
    if (what == got::end) one.log.close(wall_clock_now());
    if (what == got::data) one.log.write(data, wall_clock_now());
    if (what != got::nothing) wrote(one);
    return what == got::data;
}

// After the program ended: what it wrote is all there, even if something else still holds the pipes.
void exec_loop::drain(attempt& one) {
    for (int i = 0; i < drain_reads_max && read_out(one); ++i) {
    }
    for (int i = 0; i < drain_reads_max && read_err(one); ++i) {
    }
}

void exec_loop::wrote(attempt& one) {
    if (one.interval_end <= now_ || one.interval_end == far) begin_interval(one);
    if (one.flush_at == far && !one.log.empty()) one.flush_at = now_ + limits::exec_log_flush_interval;
    if (one.log.full() && one.flushes < limits::exec_log_flushes_per_interval && !one.exit) flush(one);
    if (one.err && one.log.saturated() && !one.exit && !one.err_paused) {
        // Removed, not masked: a hang-up would be reported all the same, again and again.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, one.err.get(), nullptr);
        one.err_paused = true;
    }
    schedule(one);
}

void exec_loop::begin_interval(attempt& one) {
    one.interval_end = now_ + limits::exec_log_flush_interval;
    one.flushes = 0;
    one.log.begin_interval();
}

void exec_loop::flush(attempt& one) {
    one.flush_at = far;
    ++one.flushes;
    if (one.log.empty()) return;
    attempt_report report;
    report.ref = one.work.ref;
    one.log.take(report);
    reports_.push_back(std::move(report));
}

void exec_loop::end_early(attempt& one, ending why, milliseconds grace) {
    // The first reason stands; what a program that has ended left in its pipe still counts, a wish that came after
    // not.
    const bool counts = !one.exit || why == ending::result_too_large;
    if (one.why == ending::natural && counts) one.why = why;
    if (one.exit || one.killed) return;
    if (grace <= milliseconds{0}) return kill(one);
    if (one.kill_at == far) link_->signal(one.token, SIGTERM);
    one.kill_at = std::min(one.kill_at, now_ + grace);
    schedule(one);
}

void exec_loop::kill(attempt& one) {
    one.killed = true;
    one.kill_at = one.timeout_at = far;
    one.give_up_at = now_ + limits::exec_kill_patience;
    if (link_) link_->signal(one.token, SIGKILL);
    schedule(one);
}

void exec_loop::finish_ended(attempt& one) {
    drain(one);
    if (one.err) one.log.close(wall_clock_now());
    finish(one, outcome_of({one.why, one.exit, std::move(one.result), one.log.last_line()}, one.work));
}

void exec_loop::finish(attempt& one, attempt_outcome outcome) {
    if (link_) link_->release(one.token);
    attempt_report report;
    report.ref = one.work.ref;
    one.log.take(report);
    report.outcome = std::move(outcome);
    reports_.push_back(std::move(report));
    ended_.push_back(one.work.ref);
    root_.discard(one.work.ref);
    if (one.scheduled != far) due_.erase({one.scheduled, one.token});
    tokens_.erase(one.work.ref);
    attempts_.erase(one.token);
}

void exec_loop::reject(const assignment& work, attempt_outcome outcome) {
    attempt_report report;
    report.ref = work.ref;
    report.outcome = std::move(outcome);
    reports_.push_back(std::move(report));
    ended_.push_back(work.ref);
    root_.discard(work.ref);
}

void exec_loop::schedule(attempt& one) {
    const auto interval = one.err_paused && one.err ? one.interval_end : far;
    const auto next =
        std::min({one.timeout_at, one.kill_at, one.give_up_at, one.drained_at, one.flush_at, interval});
    if (next == one.scheduled) return;
    if (one.scheduled != far) due_.erase({one.scheduled, one.token});
    if (next != far) due_.emplace(next, one.token);
    one.scheduled = next;
}

void exec_loop::fire_due() {
    if (launch_at_ <= now_) ensure_warden();
    while (!due_.empty() && due_.begin()->first <= now_) {
        const auto token = due_.begin()->second;
        due_.erase(due_.begin());
        auto* one = find(token);
        if (one == nullptr) continue;
        one->scheduled = far;
        fire(*one);
    }
}

void exec_loop::fire(attempt& one) {
    if (one.drained_at <= now_ || one.give_up_at <= now_) return finish_ended(one);
    if (one.kill_at <= now_) kill(one);
    if (one.timeout_at <= now_) {
        one.timeout_at = far;
        end_early(one, ending::timed_out,
                  std::min<milliseconds>(one.work.cancel_grace, limits::exec_timeout_grace_max));
    }
    if (one.err_paused && one.err && one.interval_end <= now_) {
        one.err_paused = false;
        begin_interval(one);
        watch(one.err, one.token << 1 | static_cast<std::uint64_t>(which::err), EPOLLIN, EPOLL_CTL_ADD);
    }
    if (one.flush_at <= now_) flush(one);
    schedule(one);
}

} // namespace coppice::executors
