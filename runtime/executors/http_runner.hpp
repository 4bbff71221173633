// Runs attempts as HTTP requests: the executor "http".
//
// Intuition: one thread with libcurl's event loop (cluster/control/http_loop.hpp); an attempt is one request, its
// answer is the outcome. The body is the payload. What tells a server that two requests are one job's is the header
// `Idempotency-Key`, the job's id, the same in every attempt; `Coppice-Job`, `Coppice-Attempt`, `Coppice-Tenant`
// and `Coppice-Type` say the rest.
//
// An attempt goes to no address that is not public (public_address.hpp), whatever its name was resolved to at the
// moment of connecting, unless its type allows that. Redirects are not followed. Proxies of the environment are not
// used.
//
// Invariants: every accepted start gives exactly one outcome, in one report with one line of log. A request is sent
// at most once. What is held for an attempt is bounded by its type's result_bytes_max.
//
// Threads: every function may be called on any thread but `stop` on the sink's.
#pragma once

#include <map>
#include <memory>

#include "actors/jobs/job_type_spec.hpp"
#include "cluster/control/http_loop.hpp"
#include "runtime/executors/exec_runner.hpp"

namespace coppice {

class http_runner {
  public:
    // The sink is called on the runner's thread; as exec_runner.hpp says.
    explicit http_runner(report_sink sink);
    ~http_runner(); // stop
    http_runner(const http_runner&) = delete;
    http_runner& operator=(const http_runner&) = delete;

    // `unavailable` after stop.
    expected<void> start(assignment work, http_spec spec);
    // Drops the request; outcome `cancelled`. An attempt that is not under way: nothing happens.
    void cancel(const attempt_ref& ref);
    // No more starts; what runs is dropped, outcome `lost`. Returns when every outcome has been through the sink.
    void stop();

  private:
    void begin(const assignment& work, const http_spec& spec);
    void drop(const attempt_ref& ref, outcome_kind kind, failure why);
    void report(const attempt_ref& ref, std::string account, attempt_outcome outcome);

    const report_sink sink_;
    std::map<attempt_ref, http_loop::id> under_way_; // the loop's thread alone
    http_loop loop_;                                 // last: its thread uses the rest
};

} // namespace coppice
