// The runner's thread: what epoll says, what the warden says, what other threads said, and what is due.
//
// An attempt goes   prepared -> spawn asked -> (started) -> exited -> its pipes ended, or exec_pipe_grace passed ->
// over. Ending one early (cancel, timeout, too much stdout, stop) only sends signals and notes why; it is over in
// the same way, or exec_kill_patience after its SIGKILL.
//
// Only the thread that calls `run` touches anything here.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/executors/attempt_log.hpp"
#include "runtime/executors/exec_inbox.hpp"
#include "runtime/executors/exec_outcome.hpp"
#include "runtime/executors/exec_runner.hpp"
#include "runtime/executors/warden_link.hpp"
#include "runtime/executors/work_root.hpp"

namespace coppice::executors {

class exec_loop {
  public:
    using clock = std::chrono::steady_clock;

    exec_loop(exec_config config, report_sink sink, exec_inbox& inbox, work_root root)
        : config_(std::move(config)), sink_(std::move(sink)), inbox_(inbox), root_(std::move(root)) {}

    // Launches the warden. Before `run`.
    expected<void> open();
    // Returns after a stop, when everything is over.
    void run();

  private:
    struct attempt {
        std::uint64_t token = 0;
        assignment work; // without payload and parents
        std::string program;
        int pid = -1; // -1 until the warden says
        unique_fd out;
        unique_fd err;
        bool err_paused = false;
        std::string result;
        attempt_log log;
        ending why = ending::natural;
        bool killed = false;
        std::optional<exit_state> exit;
        std::size_t flushes = 0; // in this interval
        // When what is due; `far` for what is not.
        clock::time_point timeout_at;
        clock::time_point kill_at;
        clock::time_point give_up_at;
        clock::time_point drained_at;
        clock::time_point flush_at;
        clock::time_point interval_end;
        clock::time_point scheduled; // the earliest of them, as it stands in due_
    };
    static constexpr clock::time_point far = clock::time_point::max();
    enum class which : std::uint64_t { out = 0, err = 1 };

    void take_inbox();
    void begin(exec_job job);
    void begin_stop(milliseconds grace);
    expected<void> launch_warden();
    bool ensure_warden();
    void warden_lost();

    void wait_and_dispatch();
    void on_warden(std::uint32_t events);
    void on_event(const warden_event& event);
    bool watch(const unique_fd& fd, std::uint64_t key, std::uint32_t events, int operation) const;
    void watch_warden();
    bool read_out(attempt& one);
    bool read_err(attempt& one);
    void drain(attempt& one);
    void wrote(attempt& one);
    void begin_interval(attempt& one);
    void flush(attempt& one);

    void end_early(attempt& one, ending why, milliseconds grace);
    void kill(attempt& one);
    void finish(attempt& one, attempt_outcome outcome);
    void finish_ended(attempt& one);
    void reject(const assignment& work, attempt_outcome outcome);

    void fire_due();
    void fire(attempt& one);
    void schedule(attempt& one);
    int wait_ms() const;
    void deliver();
    attempt* find(std::uint64_t token);
    attempt* find(const attempt_ref& ref);

    exec_config config_;
    report_sink sink_;
    exec_inbox& inbox_;
    work_root root_;
    std::optional<warden_link> link_;
    bool link_writable_watched_ = false;
    std::deque<clock::time_point> launches_; // of wardens, within the last period
    clock::time_point launch_at_ = far;      // next try, when there is no warden
    unique_fd epoll_;
    std::unordered_map<std::uint64_t, std::unique_ptr<attempt>> attempts_;
    std::unordered_map<attempt_ref, std::uint64_t> tokens_;
    std::set<std::pair<clock::time_point, std::uint64_t>> due_;
    std::vector<attempt_report> reports_;
    std::vector<attempt_ref> ended_;
    std::vector<warden_event> events_;
    std::string chunk_;
    std::uint64_t last_token_ = 0;
    clock::time_point now_ = clock::now();
    bool stopping_ = false;
};

} // namespace coppice::executors
