// The promise: counting costs the journal about a percent of one core at 100,000 jobs a second, which is 100 ns for
// the three changes, the start and the end of a job; and no more with more tenants, but for their cache misses.
// Also the price of a scrape, which the edge pays.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

#include "persistence/memory_store.hpp"
#include "runtime/observability/node_metrics.hpp"

namespace coppice {
namespace {

using steady = std::chrono::steady_clock;

constexpr shard_id shard{1};
constexpr std::size_t type_count = 10;

double ns_since(steady::time_point start) {
    return std::chrono::duration<double, std::nano>(steady::now() - start).count();
}

void declare(shard_machine& machine, store& data, std::uint32_t tenants) {
    const auto transaction = data.begin_write();
    batch_output out;
    machine.begin(*transaction, wall_clock_now(), out);
    capnp::MallocMessageBuilder message;
    auto list = message.initRoot<cmd::Entry>().initCommands(tenants + type_count);
    for (std::uint32_t i = 0; i < tenants; ++i) {
        auto d = list[i].initDeclareTenant();
        d.setTenant(i + 1);
        d.initRow().setName("tenant-" + std::to_string(i + 1));
        d.getRow().setVersion(1);
    }
    for (std::uint32_t i = 0; i < type_count; ++i) {
        auto d = list[tenants + i].initDeclareType();
        d.setType(i + 1);
        d.initRow().setName("type-" + std::to_string(i + 1));
        d.getRow().setVersion(1);
    }
    machine.apply(message.getRoot<cmd::Entry>().asReader());
    machine.finish();
    if (!transaction->commit()) std::abort();
}

// A commit of `jobs` jobs that were submitted, started and ended, tenants at random: three changes, a start and an
// end for each.
batch_output commit_of(std::size_t jobs, std::uint32_t tenants, std::mt19937_64& random) {
    batch_output out;
    job_id_minter ids;
    const instant now = wall_clock_now();
    for (std::size_t i = 0; i < jobs; ++i) {
        const tenant_id tenant{static_cast<std::uint32_t>(random() % tenants + 1)};
        const type_id type{static_cast<std::uint32_t>(random() % type_count + 1)};
        const job_id job = ids.next(to_ms(now), shard, tenant, random());
        out.results.resize(out.results.size() + 2);
        out.changes.push_back({job, type, std::nullopt, job_state::QUEUED, 1});
        out.changes.push_back({job, type, job_state::QUEUED, job_state::RUNNING, 2});
        out.changes.push_back({job, type, job_state::RUNNING, job_state::SUCCEEDED, 3});
        start_effect start;
        start.work.ref = {job, 1};
        start.queued_at = now - microseconds{random() % 1'000'000};
        start.started_at = now;
        out.starts.push_back(std::move(start));
        out.ends.push_back({.ref = {job, 1},
                            .tenant = tenant,
                            .type = type,
                            .state = job_state::SUCCEEDED,
                            .outcome = outcome_kind::succeeded,
                            .started_at = now - microseconds{random() % 1'000'000},
                            .ended_at = now});
    }
    return out;
}

void measure(std::uint32_t tenants, std::size_t jobs, std::size_t commits) {
    std::mt19937_64 random{7};
    const auto data = make_memory_store();
    shard_machine machine{shard};
    declare(machine, *data, tenants);
    node_metrics metrics{{.data = data.get(), .shard = shard}};
    std::vector<batch_output> outputs;
    for (int i = 0; i < 16; ++i) outputs.push_back(commit_of(jobs, tenants, random));
    const auto count = [&](const batch_output& out) {
        metrics.committed({out, jobs, out.results.size(), microseconds{100}, microseconds{500}, machine});
    };
    for (const batch_output& out : outputs) count(out); // each tenant's first time

    std::vector<double> per_commit;
    for (std::size_t i = 0; i < commits; ++i) {
        const auto start = steady::now();
        count(outputs[i % outputs.size()]);
        per_commit.push_back(ns_since(start));
    }
    std::ranges::sort(per_commit);
    const double median = per_commit[commits / 2];
    const double changes = static_cast<double>(jobs) * 3;
    std::printf(
        "%6u tenants, %4zu jobs a commit: %7.1f ns a change, %7.1f ns a job, %8.1f us a commit (p99 %.1f us)\n",
        tenants, jobs, median / changes, median / static_cast<double>(jobs), median / 1e3,
        per_commit[commits * 99 / 100] / 1e3);

    std::size_t size = 0;
    constexpr int scrapes = 20;
    const auto start = steady::now();
    for (int i = 0; i < scrapes; ++i) size = metrics.render().size();
    std::printf("%6u tenants: a scrape %.2f ms, %zu KB\n", tenants, ns_since(start) / scrapes / 1e6, size / 1000);
}

} // namespace
} // namespace coppice

int main(int argc, char** argv) {
    std::size_t commits = 2000;
    if (argc > 1) {
        const std::string_view text = argv[1];
        std::from_chars(text.data(), text.data() + text.size(), commits);
        commits = std::max<std::size_t>(commits, 1);
    }
    for (const std::uint32_t tenants : {1U, 100U, 10'000U})
        for (const std::size_t jobs : {std::size_t{10}, std::size_t{334}}) coppice::measure(tenants, jobs, commits);
    return EXIT_SUCCESS;
}
