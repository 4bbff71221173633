// A worker: a process that runs attempts for a node.
//
// Intuition: the node calls us with batches of assignments, a handler makes outcomes of them, and whatever is ready
// at the end of one turn of the loop goes back in one `report` call. Until the node has answered that an outcome is
// committed, it is kept here; after a broken connection the worker attaches again, names every attempt that it
// still holds (running, or ended and not acknowledged), kills what the node has taken away, and sends the rest
// again.
//
// Invariants: an accepted attempt gives exactly one outcome to the node, or is dropped because the node said that
// it is not ours any more (stale_attempt, revoke, not kept). An outcome is never dropped for any other reason. A
// worker that has not been heard by the node for its `silenceMaxMs` kills what it runs: the node is giving it to
// others.
//
// Bounds: attempts at a time `slots`; log lines held for an attempt limits::log_lines_per_attempt_max, the oldest
// dropped, which shows as a gap in their sequence; reports in one call and calls under way: schema/limits.hpp.
//
// Thread: the loop's, but where another is named.
#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "runtime/client/options.hpp"
#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice::client {

struct worker_options {
    std::string name = "worker"; // shown in the tree
    std::vector<std::string> types;
    std::vector<std::string> labels;  // what it is or has, for types that ask for it: "gpu", "zone=eu"
    std::uint32_t slots = 1;          // attempts at a time; at most limits::worker_slots_max
    bool automatic_heartbeats = true; // false: an attempt with a heartbeat timeout is alive when it says so
                                      // (heartbeat, progress or log), and not otherwise
    milliseconds fence_after{0};      // unheard this long, running attempts are killed; 0: as long as the node says
};

inline attempt_outcome succeed(std::string result = {}) { return {.result = std::move(result)}; }
// Tried again, as the job type says.
attempt_outcome fail_attempt(std::string why);
// Not tried again.
attempt_outcome fail_for_good(std::string why);
// What an attempt reports that stopped because it was told to.
attempt_outcome stop_as_told();

// What a handler on the loop may do while its attempt runs. Ends with the attempt: hold it no longer than the
// promise that the handler returned.
class attempt_context {
  public:
    virtual bool cancelled() const = 0;
    // Resolves when the attempt is told to stop. It then has assignment::cancel_grace to end by itself; after that
    // its promise is dropped and the worker reports that it was cancelled.
    virtual kj::Promise<void> on_cancel() = 0;
    virtual void progress(double fraction, std::string text = {}) = 0;
    virtual void log(std::string text, log_stream stream = log_stream::out) = 0;
    // Kept by the node, and handed to the job's next attempt (assignment::checkpoint) should this one not end it:
    // where to go on. At most limits::checkpoint_size_max bytes; the last one counts.
    virtual void checkpoint(std::string bytes) = 0;
    virtual void heartbeat() = 0;
    virtual kj::AsyncIoContext& io() = 0;

  protected:
    ~attempt_context() = default;
};

// The same for a handler in a thread of its own; every function on that thread. After the grace the attempt is
// reported as cancelled although its thread may still run; what it returns is then ignored.
class blocking_context {
  public:
    virtual bool cancelled() const = 0;
    // Sleeps at most this long; true as soon as the attempt is told to stop.
    virtual bool wait_cancelled(milliseconds at_most) = 0;
    virtual void progress(double fraction, std::string text = {}) = 0;
    virtual void log(std::string text, log_stream stream = log_stream::out) = 0;
    virtual void checkpoint(std::string bytes) = 0;
    virtual void heartbeat() = 0;

  protected:
    ~blocking_context() = default;
};

// An exception from a handler is the attempt's failure.
// The fast path: no allocation, no promise, no table of attempts. Runs on the loop: microseconds, not more.
using ready_handler = std::function<attempt_outcome(const assignment&)>;
using promise_handler = std::function<kj::Promise<attempt_outcome>(const assignment&, attempt_context&)>;
// Runs in one of `slots` threads (at most limits::worker_threads_max, which then bounds the slots).
using blocking_handler = std::function<attempt_outcome(const assignment&, blocking_context&)>;

// Where a runner sends what its attempts say. Everything of one attempt in order, an outcome last.
class report_target {
  public:
    virtual void report(attempt_report report) = 0; // the loop's thread
    // Any thread: `work` runs on the loop's, in order; dropped when the worker is gone.
    virtual void on_loop(std::function<void()> work) = 0;
    virtual kj::AsyncIoContext& io() = 0;

  protected:
    ~report_target() = default;
};

// Whatever runs attempts: the seam for subprocesses (command_worker.hpp) and other executors. Called on the loop's
// thread. Every start gives one outcome through the target, but after `kill`, when none is wanted and one is
// ignored.
class attempt_runner {
  public:
    virtual ~attempt_runner() = default;
    virtual void begin(report_target& target) = 0; // once, before all else; the target outlives the runner
    virtual void start(assignment work) = 0;
    virtual void cancel(const attempt_ref& ref, milliseconds grace) = 0;
    virtual void kill(const attempt_ref& ref) = 0;
};

struct worker_figures {
    std::uint64_t assigned = 0;
    std::uint64_t acknowledged = 0; // outcomes that the node has committed
    std::uint64_t stale = 0;        // outcomes, and attempts, that were not ours any more
    std::uint64_t refused = 0;      // outcomes refused for another reason, and replaced by a failure
    std::uint64_t report_calls = 0;
    std::uint64_t sessions = 0; // attached so often
    std::size_t running = 0;
    std::size_t unacknowledged = 0;
};

class worker {
  public:
    worker(kj::AsyncIoContext& io, options where, worker_options what, ready_handler handler);
    worker(kj::AsyncIoContext& io, options where, worker_options what, promise_handler handler);
    worker(kj::AsyncIoContext& io, options where, worker_options what, blocking_handler handler);
    worker(kj::AsyncIoContext& io, options where, worker_options what, std::unique_ptr<attempt_runner> runner);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // Attaches, and attaches again for as long as it takes, until the worker was stopped (a value) or the node
    // refuses it for good: unauthenticated, permission_denied, invalid_argument, unknown_type. To be called once.
    kj::Promise<expected<void>> run();

    // No more assignments; resolves when nothing is left to run or to acknowledge. run() then ends.
    kj::Promise<void> drain();

    // As drain, but what runs is told to stop, and given back (`lost`) after `grace`. run() ends at the latest when
    // the outcomes are acknowledged or another `grace` has passed.
    kj::Promise<void> stop(milliseconds grace);

    // Called with each assignment as it arrives, before its handler: for measurements.
    void on_assigned(std::function<void(const assignment&)> observer);

    worker_figures figures() const;

  private:
    class core;
    std::unique_ptr<core> core_;
};

// For programs that are nothing but a worker: runs until SIGTERM or SIGINT, then drains for at most `stop_grace`;
// a second signal ends it at once (attempts are given back). Owns the thread's event loop.
expected<void> run_worker(options where, worker_options what, ready_handler handler,
                          milliseconds stop_grace = milliseconds{10'000});
expected<void> run_worker(options where, worker_options what, promise_handler handler,
                          milliseconds stop_grace = milliseconds{10'000});
expected<void> run_worker(options where, worker_options what, blocking_handler handler,
                          milliseconds stop_grace = milliseconds{10'000});
// For runners that have threads: these begin only after the signals have been set aside for the loop.
using runner_factory = std::function<expected<std::unique_ptr<attempt_runner>>()>;
expected<void> run_worker_of(options where, worker_options what, const runner_factory& make,
                             milliseconds stop_grace = milliseconds{10'000});

} // namespace coppice::client
