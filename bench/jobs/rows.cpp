#include "bench/jobs/rows.hpp"

#include <algorithm>
#include <future>
#include <thread>

#include "bench/node/node_under_test.hpp"
#include "runtime/client/bench_driver.hpp"
#include "runtime/client/bench_worker.hpp"
#include "runtime/client/blocking_client.hpp"
#include "schema/limits.hpp"

namespace coppice::bench {
namespace {

// Every limit that there is, none of which binds.
constexpr const char* limited_documents = R"(
kind: JobType
metadata: {name: limited}
spec:
  executor: worker
  running_max: 1000000
  concurrency: {by: key, running_max: 1000000, rate: {starts: 1000000, per: 1s, burst: 100000}}
---
kind: Tenant
metadata: {name: limited}
spec: {queued_max: 20000000, running_max: 1000000, rate: {starts: 1000000, per: 1s, burst: 100000}, types: [limited]}
)";

expected<void> declare_more(const node_under_test& node, const std::string& documents) {
    client::blocking_client at(node.connect());
    const auto applied = at.apply({{"more.yaml", documents}});
    if (!applied) return tl::unexpected(applied.error());
    if (!applied->errors.empty()) return fail(errc::document_invalid, applied->errors.front().message);
    return {};
}

} // namespace

jobs_settings small(jobs_settings s) {
    s.jobs = 2'000;
    s.schedules = 100;
    s.rate = 100;
    s.seconds = 4;
    s.backlog = 1'000;
    s.window = 100;
    s.graph_layers = s.graph_width = 10;
    s.searched = 3'000;
    return s;
}

// The payload has the key, as a user's would, in both.
expected<report> row_limits(const jobs_settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    if (auto ok = declare_more(node, limited_documents); !ok) return tl::unexpected(ok.error());
    figure ratio{1, "throughput with every limit declared and none binding", "x", {}, better::more, 0.9, 0.97};
    figure plain{1, "  no limit declared, in the same run", "jobs/s"};
    auto with = load_on(node, "limited", "limited"), without = load_on(node);
    with.payload = without.payload = R"({"key":"a customer"})";
    with.jobs = without.jobs = s.jobs;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto bare = client::bench_jobs(without), bound = client::bench_jobs(with);
        if (!bare || !bound) return tl::unexpected(bare ? bound.error() : bare.error());
        if (bare->not_succeeded + bound->not_succeeded > 0) return fail(errc::internal, "not every job succeeded");
        plain.values.push_back(bare->completed_per_second);
        ratio.values.push_back(bound->completed_per_second / bare->completed_per_second);
    }
    return report{{ratio, plain}, {}};
}

// The schedules are another tenant's, and all are due at the same second, some seconds from now, every time.
expected<report> row_schedules(const jobs_settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    figure ratio{2,  "schedules due in one second: another tenant's p99, against without", "x", {}, better::less, 2,
                 1.2};
    figure normal{2, "  its p99 without, in the same run", "ms"};
    auto load = load_on(node);
    load.rate = s.rate;
    load.seconds = s.seconds;
    std::string documents =
        "kind: Tenant\nmetadata: {name: punctual}\nspec: {queued_max: 20000000, types: [idle]}\n";
    if (auto ok = declare_more(node, documents); !ok) return tl::unexpected(ok.error());
    std::vector<double> without;
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_latency(load);
        if (!got) return tl::unexpected(got.error());
        normal.values.push_back(got->assign_us.p99 / 1e3);
    }
    documents.clear();
    for (std::uint64_t i = 0; i < s.schedules; ++i) {
        documents += "---\nkind: Schedule\nmetadata: {name: s" + std::to_string(i) +
                     "}\nspec: {tenant: punctual, type: idle, every: 4s, overlap: allow}\n";
        if (i % 500 != 499 && i + 1 != s.schedules) continue;
        if (auto ok = declare_more(node, documents); !ok) return tl::unexpected(ok.error());
        documents.clear();
    }
    for (int i = 0; i < s.repetitions; ++i) {
        const auto got = client::bench_latency(load);
        if (!got) return tl::unexpected(got.error());
        ratio.values.push_back(got->assign_us.p99 / 1e3 / normal.reached());
    }
    client::blocking_client at(node.connect());
    const auto first = at.run(at.async().schedules({}, "s0"));
    if (!first || first->empty() || first->front().runs == 0) return fail(errc::internal, "no schedule ran");
    return report{{ratio, normal}, {"row 2: they are due every four seconds, all at once"}};
}

// Who starts, in the order of the starts: one worker takes all there is, as fast as it can.
expected<report> row_shares(const jobs_settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    if (auto ok =
            declare_more(node, "kind: Tenant\nmetadata: {name: three}\nspec: {weight: 3, types: [idle]}\n"
                               "---\nkind: Tenant\nmetadata: {name: one}\nspec: {weight: 1, types: [idle]}\n");
        !ok)
        return tl::unexpected(ok.error());
    figure off{3, "weights 3:1, furthest share of any window from 3/4", "%", {}, better::less, 5, 1};
    client::blocking_client at(node.connect());
    for (const char* tenant : {"three", "one"})
        for (std::uint64_t left = s.backlog; left > 0;) {
            const std::uint64_t count = std::min<std::uint64_t>(left, limits::submit_batch_max);
            for (const auto& sent : at.submit(
                     std::vector<client::job_spec>(count, client::job_spec{.tenant = tenant, .type = idle_type})))
                if (!sent) return tl::unexpected(sent.error());
            left -= count;
        }
    auto load = load_on(node, idle_type, "three");
    load.slots = 64;
    client::bench_worker worker(load, true);
    if (auto ok = worker.wait_attached(); !ok) return tl::unexpected(ok.error());
    // As long as both have work: three quarters of the first's backlog.
    const auto enough = [&] {
        const auto page = at.list({.tenant = "three", .type = {}, .state = job_state::QUEUED}, 1);
        return !page || page->jobs.empty();
    };
    while (!enough()) std::this_thread::sleep_for(std::chrono::milliseconds{50});
    const auto& received = worker.stop().received;
    const auto first = at.list({.tenant = "three", .type = {}, .state = std::nullopt}, 1);
    if (!first || first->jobs.empty()) return fail(errc::internal, "no job of the tenant is there");
    const tenant_id three = first->jobs.front().id.tenant();
    const std::size_t both = s.backlog; // the first of these starts had both waiting, whatever the shares are
    double furthest = 0;
    for (std::size_t begin = 0; begin + s.window <= std::min<std::size_t>(both, received.size());
         begin += s.window / 10) {
        const auto of_three = std::count_if(received.begin() + static_cast<std::ptrdiff_t>(begin),
                                            received.begin() + static_cast<std::ptrdiff_t>(begin + s.window),
                                            [&](const auto& each) { return each.first.tenant() == three; });
        furthest = std::max(furthest,
                            std::abs(100.0 * static_cast<double>(of_three) / static_cast<double>(s.window) - 75));
    }
    off.values.push_back(std::max(furthest, 0.01));
    return report{{off}, {}};
}

} // namespace coppice::bench
