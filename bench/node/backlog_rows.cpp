// Rows 5, 6 and 8: a node with a million jobs waiting. One backlog serves all three.
//
// Intuition of row 8: the backlog must stay as long as it is while jobs are measured, so it is of a type of the
// same tenant that no worker runs. It lies in the same trees as the jobs that run: their rows, queue and counters
// go down from the same roots, and the planner finds both types each time it looks for a job to start.
#include <kj/async-io.h>

#include <thread>

#include "bench/node/first_start.hpp"
#include "bench/node/node_under_test.hpp"
#include "bench/node/rows.hpp"
#include "persistence/lmdb_check.hpp"
#include "runtime/client/bench_driver.hpp"
#include "runtime/client/client.hpp"
#include "schema/limits.hpp"

namespace coppice::bench {
namespace {

constexpr std::uint32_t fill_in_flight = 4;
constexpr milliseconds worker_start_patience{120'000};

struct fill_state {
    client::client& node;
    std::uint64_t left;
    std::optional<failure> refused;
};

kj::Promise<void> fill_chain(fill_state& f) {
    const auto count = std::min<std::uint64_t>(f.left, limits::submit_batch_max);
    if (count == 0 || f.refused) return kj::READY_NOW;
    f.left -= count;
    const client::job_spec job{.tenant = tenant_name, .type = idle_type, .payload = "null"};
    return f.node.submit(std::vector<client::job_spec>(count, job))
        .then([&f](std::vector<expected<client::submitted>> answers) {
            for (auto& answer : answers)
                if (!answer) f.refused = std::move(answer.error());
            return fill_chain(f);
        });
}

expected<void> fill(const node_under_test& node, std::uint64_t jobs) {
    auto io = kj::setupAsyncIo();
    client::client client(io, node.connect());
    fill_state state{client, jobs, {}};
    auto chains = kj::heapArrayBuilder<kj::Promise<void>>(fill_in_flight);
    for (std::uint32_t i = 0; i < fill_in_flight; ++i) chains.add(fill_chain(state));
    kj::joinPromises(chains.finish()).wait(io.waitScope);
    if (state.refused) return tl::unexpected(*state.refused);
    return {};
}

// What the node holds when it has nothing to do: its memory once it has stood still for a while.
double settled_mib(const node_under_test& node) {
    constexpr auto still = std::chrono::seconds{3}, patience = std::chrono::seconds{30};
    std::uint64_t seen = node.anonymous_kib();
    const auto begin = steady::now();
    for (auto since = begin; steady::now() - since < still && steady::now() - begin < patience;) {
        std::this_thread::sleep_for(milliseconds{100});
        if (const auto now = node.anonymous_kib(); now != seen) seen = now, since = steady::now();
    }
    return static_cast<double>(seen) / 1024;
}

// Jobs a second beside the backlog, as often as there are repetitions; after each, the node's memory.
expected<void> run_jobs(const settings& s, const node_under_test& node, figure& rates, figure& memory) {
    auto load = load_on(node);
    load.jobs = s.jobs;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_jobs(load);
        if (!got) return tl::unexpected(got.error());
        rates.values.push_back(got->completed_per_second);
        memory.values.push_back(static_cast<double>(node.anonymous_kib()) / 1024);
    }
    return {};
}

// kill -9, then from the fork of the next node to the first assignment at a worker.
expected<void> restart_once(node_under_test& node, figure& first, figure& listening, figure& check) {
    node.kill();
    const auto check_begin = steady::now();
    if (auto sound = check_lmdb_file(node.data_file(), limits::store_check_pages_max); !sound) return sound;
    check.values.push_back(us_since(check_begin) / 1e3);
    const auto begin = steady::now();
    if (auto ok = node.restart(); !ok) return ok;
    first_start worker(node.connect());
    if (auto ok = node.wait_listening(); !ok) return ok;
    listening.values.push_back(us_since(begin) / 1e3);
    const auto started = worker.wait(worker_start_patience);
    if (!started) return tl::unexpected(started.error());
    first.values.push_back(std::chrono::duration<double, std::milli>(*started - begin).count());
    return {};
}

} // namespace

expected<report> rows_of_a_backlog(const settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    figure memory{5, "anonymous memory of the node, a million queued", "MiB", {}, better::less, 250, 64};
    figure filled{5, "  the same at the moment when the last was committed", "MiB"};
    figure worked{5, "  the same right after the jobs of row 8", "MiB"};
    figure before{5, "  the same with a thousand queued, right after as many jobs", "MiB"};
    figure first{6, "kill -9, a million queued: restart to first job started", "ms", {}, better::less, 3000, 300};
    figure listening{6, "  of it until the node listens", "ms"};
    figure check{6, "  the check of the data file, measured apart", "ms"};
    figure ratio{8, "throughput, a million queued against a thousand", "x", {}, better::more, 0.9, 1.0};
    figure high{8, "  with a million queued", "jobs/s"};
    figure low{8, "  with a thousand queued", "jobs/s"};

    if (auto ok = fill(node, s.small_backlog); !ok) return tl::unexpected(ok.error());
    if (auto ok = run_jobs(s, node, low, before); !ok) return tl::unexpected(ok.error());
    if (auto ok = fill(node, s.backlog - s.small_backlog); !ok) return tl::unexpected(ok.error());
    filled.values.push_back(static_cast<double>(node.anonymous_kib()) / 1024);
    memory.values.push_back(settled_mib(node));
    if (auto ok = run_jobs(s, node, high, worked); !ok) return tl::unexpected(ok.error());
    ratio.values.push_back(high.reached() / low.reached());
    for (int i = 0; i < s.repetitions; ++i)
        if (auto ok = restart_once(node, first, listening, check); !ok) return tl::unexpected(ok.error());
    return report{{memory, filled, worked, before, first, listening, check, ratio, high, low},
                  {"rows 5 and 8: one filling of the backlog; row 8 is the ratio of medians",
                   "row 6: the worker tries to attach every 2 ms at the most"}};
}

} // namespace coppice::bench
