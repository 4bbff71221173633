// The load that `coppice bench jobs|submit|latency` puts on a running node, through this client and nothing else.
//
// Intuition: what is measured is what a user gets: jobs go in over a connection, a remote worker in a thread of its
// own runs them, and an end counts when the durable feed says so. Nothing is created: the tenant and the type are
// there already, the token may submit and work, and the type's executor is `worker`.
//
// Each function blocks, owns an event loop on the calling thread and one on the worker's. Errors: those of the
// client; `invalid_argument` for numbers out of range.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/client/options.hpp"
#include "schema/errc.hpp"

namespace coppice::client {

struct bench_options {
    options where;
    std::string tenant = "default";
    std::string type = "noop";
    std::string payload = "null";
    std::uint64_t jobs = 100'000; // jobs: how many; submit: how many single submits
    std::uint32_t batch = 500;    // jobs: in one submit
    std::uint32_t in_flight = 8;  // jobs: batches; submit: single submits (K)
    std::uint32_t slots = 20'000; // of the in-process worker
    bool with_worker = true;      // jobs, latency: false when workers are there already
    double rate = 100;            // latency: jobs a second
    double seconds = 10;          // latency: for so long
    milliseconds give_up{600'000};
};

// Microseconds; nearest rank.
struct quantiles {
    std::uint64_t count = 0;
    double p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0, mean = 0;
};
quantiles quantiles_of(std::vector<double> samples);

struct jobs_figures {
    std::uint64_t jobs = 0;
    std::uint64_t refused = 0;
    std::uint64_t not_succeeded = 0;
    double submit_seconds = 0;   // first submit sent .. last acknowledged
    double complete_seconds = 0; // first submit sent .. last end seen in the feed
    double submitted_per_second = 0;
    double completed_per_second = 0;
    quantiles submit_batch_us; // one batch, sent .. acknowledged
    std::uint64_t report_calls = 0;
};

struct submit_figures {
    std::uint64_t submits = 0;
    std::uint64_t refused = 0;
    std::uint32_t in_flight = 0;
    double seconds = 0;
    double per_second = 0;
    quantiles loaded_us; // with K in flight
    quantiles alone_us;  // one after the other
};

struct latency_figures {
    std::uint64_t jobs = 0;
    std::uint64_t refused = 0;
    double rate_wanted = 0;
    double rate_reached = 0;
    quantiles start_us;  // startedUs - submittedUs, the node's records
    quantiles assign_us; // submit called here .. assignment received by the worker here; empty without a worker
    quantiles submit_us; // submit called .. acknowledged
};

expected<jobs_figures> bench_jobs(const bench_options& load);
expected<submit_figures> bench_submit(const bench_options& load);
expected<latency_figures> bench_latency(const bench_options& load);

// For people, and for programs (one JSON object).
std::string to_table(const jobs_figures& f);
std::string to_table(const submit_figures& f);
std::string to_table(const latency_figures& f);
std::string to_json(const jobs_figures& f);
std::string to_json(const submit_figures& f);
std::string to_json(const latency_figures& f);

} // namespace coppice::client
