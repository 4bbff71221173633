#include "runtime/executors/exec_runner.hpp"

#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>

#include "runtime/executors/exec_inbox.hpp"
#include "runtime/executors/exec_loop.hpp"
#include "runtime/executors/work_root.hpp"

namespace coppice {

struct exec_runner::state {
    state(exec_config config, report_sink sink, executors::work_root root)
        : inbox(config.attempts_max), loop(std::move(config), std::move(sink), inbox, std::move(root)) {}

    executors::exec_inbox inbox;
    executors::exec_loop loop;
    std::mutex joining;
    std::thread thread;
};

namespace {

// The process's signals are for its main thread.
std::thread start_without_signals(executors::exec_loop& loop) {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread started;
    try {
        started = std::thread([&loop] { loop.run(); });
    } catch (const std::system_error&) { // no thread to be had: the caller sees that it is not joinable
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

} // namespace

exec_runner::exec_runner(std::unique_ptr<state> made) : state_(std::move(made)) {}

expected<std::unique_ptr<exec_runner>> exec_runner::open(exec_config config, report_sink sink) {
    auto root = executors::work_root::open(config.work_root);
    if (!root) return tl::unexpected(root.error());
    auto made = std::make_unique<state>(std::move(config), std::move(sink), std::move(*root));
    if (auto opened = made->loop.open(); !opened) return tl::unexpected(opened.error());
    made->thread = start_without_signals(made->loop);
    if (!made->thread.joinable()) return fail(errc::unavailable, "cannot start the exec runner's thread");
    return std::unique_ptr<exec_runner>(new exec_runner(std::move(made)));
}

exec_runner::~exec_runner() { stop(milliseconds{0}); }

expected<void> exec_runner::start(exec_job job) { return state_->inbox.start(std::move(job)); }

void exec_runner::cancel(const attempt_ref& ref, milliseconds grace) { state_->inbox.cancel(ref, grace); }

void exec_runner::kill(const attempt_ref& ref) { state_->inbox.cancel(ref, milliseconds{0}); }

void exec_runner::stop(milliseconds grace) {
    state_->inbox.stop(grace);
    const std::lock_guard lock(state_->joining);
    if (state_->thread.joinable()) state_->thread.join();
}

std::size_t exec_runner::under_way() const { return state_->inbox.under_way(); }

int exec_runner::warden_pid() const { return state_->inbox.warden_pid(); }

} // namespace coppice
