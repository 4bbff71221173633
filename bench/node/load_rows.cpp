// Rows 1, 2 and 4: what `coppice bench` measures, and the bare call beside it.
#include "bench/node/bare_call.hpp"
#include "bench/node/node_under_test.hpp"
#include "bench/node/rows.hpp"
#include "runtime/client/bench_driver.hpp"

namespace coppice::bench {

expected<report> row_batches(const settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    figure f{1,    "no-op jobs in batches, one client, one worker, committed", "jobs/s", {}, better::more, 40e3,
             100e3};
    auto load = load_on(node, noop_type);
    load.jobs = s.jobs;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_jobs(load);
        if (!got) return tl::unexpected(got.error());
        if (got->refused + got->not_succeeded > 0) return fail(errc::internal, "not every job succeeded");
        f.values.push_back(got->completed_per_second);
    }
    return report{{f}, {}};
}

expected<report> row_many_submits(const settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    constexpr std::uint32_t in_flight = 64;
    figure f{2, "single submits, 64 in flight", "calls/s", {}, better::more, 25e3, 35e3};
    figure bare{2, "  a bare call, 64 in flight, in the same run", "calls/s"};
    auto load = load_on(node, idle_type);
    load.jobs = s.submits;
    load.in_flight = in_flight;
    const bare_server server;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_submit(load);
        if (!got) return tl::unexpected(got.error());
        if (got->refused > 0) return fail(errc::internal, "not every submit was taken");
        f.values.push_back(got->per_second);
        auto io = kj::setupAsyncIo();
        bare_client client(io, server.port());
        bare.values.push_back(static_cast<double>(s.submits) / client.seconds_of(s.submits, in_flight));
    }
    return report{{f, bare}, {}};
}

expected<report> row_steady(const settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    figure p50{4, "submit to start at a steady 500/s, p50", "ms", {}, better::less, 1, 0.45};
    figure p99{4, "submit to start at a steady 500/s, p99", "ms", {}, better::less, 10, 2};
    auto load = load_on(node, noop_type);
    load.rate = s.steady_rate;
    load.seconds = s.steady_seconds;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_latency(load);
        if (!got) return tl::unexpected(got.error());
        if (got->assign_us.count == 0) return fail(errc::internal, "no job was started");
        p50.values.push_back(got->assign_us.p50 / 1e3);
        p99.values.push_back(got->assign_us.p99 / 1e3);
    }
    return report{{p50, p99}, {"row 4 is the time from calling submit to the assignment's arrival at the worker"}};
}

} // namespace coppice::bench
