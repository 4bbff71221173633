#include "runtime/client/command_worker.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/executors/exec_runner.hpp"

namespace coppice::client {
namespace {

class command_runner final : public attempt_runner {
  public:
    explicit command_runner(command_options command) : command_(std::move(command)) {}

    expected<void> open(std::size_t attempts_max) {
        exec_config config;
        config.work_root = command_.work_root;
        config.attempts_max = attempts_max;
        config.warden_program = command_.warden_program;
        auto opened = exec_runner::open(
            std::move(config), [this](std::vector<attempt_report> reports) { deliver(std::move(reports)); });
        if (!opened) return tl::unexpected(std::move(opened.error()));
        exec_ = std::move(*opened);
        return {};
    }

    void begin(report_target& target) override { target_ = &target; }

    void start(assignment work) override {
        const attempt_ref ref = work.ref;
        exec_job job{
            .work = std::move(work), .argv = command_.argv, .env = command_.env, .rlimits = command_.rlimits};
        job.stdin_bytes = job.work.payload;
        if (auto started = exec_->start(std::move(job)); !started)
            target_->report(not_started(ref, started.error()));
    }
    void cancel(const attempt_ref& ref, milliseconds grace) override { exec_->cancel(ref, grace); }
    void kill(const attempt_ref& ref) override { exec_->kill(ref); }

  private:
    static attempt_report not_started(const attempt_ref& ref, const failure& why) {
        attempt_outcome outcome{.kind = outcome_kind::failed, .error = why, .permanent = true};
        // Not the job's fault: it may start elsewhere, or here a little later.
        if (describe(why.code).retryable) outcome = {.kind = outcome_kind::lost, .error = why};
        return {.ref = ref, .outcome = std::move(outcome)};
    }

    // On the runner's thread, and not before the first start: the target is there.
    void deliver(std::vector<attempt_report> reports) {
        target_->on_loop([target = target_, reports = std::move(reports)]() mutable {
            for (auto& report : reports) target->report(std::move(report));
        });
    }

    command_options command_;
    report_target* target_ = nullptr;
    std::unique_ptr<exec_runner> exec_; // last: its thread calls `deliver` until it is gone
};

expected<std::string> own_directory() {
    const char* base = std::getenv("TMPDIR");
    std::string path = std::string{base && *base ? base : "/tmp"} + "/coppice-worker-XXXXXX";
    if (::mkdtemp(path.data())) return path;
    return fail(errc::unavailable, "no working directory: " + path + ": " + std::strerror(errno));
}

} // namespace

expected<std::unique_ptr<attempt_runner>> make_command_runner(command_options command, std::uint32_t slots) {
    auto runner = std::make_unique<command_runner>(std::move(command));
    // Twice the slots: one that was taken away may still be dying when the next one starts.
    if (auto opened = runner->open(2 * std::size_t{slots}); !opened)
        return tl::unexpected(std::move(opened.error()));
    return runner;
}

expected<void> run_command_worker(options where, worker_options what, command_options command) {
    if (command.argv.empty() || command.argv.front().empty())
        return fail(errc::invalid_argument, "a worker needs a command to run");
    if (what.types.empty() || what.slots == 0)
        return fail(errc::invalid_argument, "a worker needs job types and at least one slot");
    what.slots = std::min<std::uint32_t>(what.slots, limits::exec_attempts_max / 2);
    const milliseconds grace = command.stop_grace;
    std::string own;
    if (command.work_root.empty()) {
        auto made = own_directory();
        if (!made) return tl::unexpected(std::move(made.error()));
        command.work_root = own = std::move(*made);
    }
    auto done = run_worker_of(
        std::move(where), what,
        [&]() -> expected<std::unique_ptr<attempt_runner>> {
            return make_command_runner(std::move(command), what.slots);
        },
        grace);
    if (!own.empty()) ::rmdir(own.c_str());
    return done;
}

} // namespace coppice::client
