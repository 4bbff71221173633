#include "bench/cluster/rows.hpp"

#include <algorithm>
#include <csignal>

#include "bench/cluster/cluster_under_test.hpp"
#include "bench/cluster/steady_submits.hpp"
#include "bench/node/node_under_test.hpp"
#include "runtime/client/bench_driver.hpp"

namespace coppice::bench {
namespace {

using settings_of = cluster_settings_of_bench;

constexpr std::size_t submits_before = 30, submits_after = 30;

tl::unexpected<failure> stuck(const char* when) {
    return fail(errc::unavailable, std::string{"no submit was acknowledged "} + when);
}

// Each of them, as a node knows it.
expected<std::size_t> missing_of(const cluster_under_test& c, const std::vector<job_id>& jobs) {
    client::blocking_client any(c.connect());
    std::size_t missing = 0;
    for (const job_id& id : jobs) {
        const auto got = any.get(id);
        if (!got && got.error().code != errc::not_found) return tl::unexpected(got.error());
        if (!got) ++missing;
    }
    return missing;
}

std::string why(const steady_submits& load) {
    const std::string first = load.first_refusal();
    return first.empty() ? "" : ": " + first;
}

double highest(const std::vector<double>& values) { return *std::ranges::max_element(values); }

double ms_since(steady::time_point begin) { return us_since(begin) / 1e3; }

expected<double> one_kill(cluster_under_test& c, bool of_primary, std::vector<job_id>& acknowledged) {
    if (auto ok = c.whole(); !ok) return tl::unexpected(ok.error());
    const auto primary = c.primary();
    if (!primary) return tl::unexpected(primary.error());
    const std::uint32_t other = *primary % c.size() + 1;
    const std::uint32_t victim = of_primary ? *primary : other;
    steady_submits load(c.connect(of_primary ? other : *primary));
    if (!load.more(submits_before)) return stuck("before the kill");
    c.kill(victim, SIGKILL);
    if (!load.more(submits_after)) return stuck("after the kill");
    load.stop();
    if (load.refused() > 0)
        return fail(errc::internal, std::to_string(load.refused()) + " submits were refused" + why(load));
    std::ranges::move(load.acknowledged(), std::back_inserter(acknowledged));
    if (auto ok = c.restart(victim); !ok) return tl::unexpected(ok.error());
    return load.longest_gap_ms();
}

} // namespace

expected<report> row_kills(const settings_of& s) {
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    figure primaries{1, "kill -9 of a primary: longest gap in submits", "ms", {}, better::less, 3000, 500};
    figure secondaries{2, "kill -9 of a secondary: longest gap in submits", "ms", {}, better::less, 2000, 300};
    std::vector<job_id> acknowledged;
    std::vector<double> gaps[2];
    for (int i = 0; i < s.kills; ++i)
        for (const bool of_primary : {true, false}) {
            const auto gap = one_kill(c, of_primary, acknowledged);
            if (!gap) return tl::unexpected(gap.error());
            gaps[of_primary ? 0 : 1].push_back(*gap);
        }
    if (auto ok = c.whole(); !ok) return tl::unexpected(ok.error());
    const auto missing = missing_of(c, acknowledged);
    if (!missing) return tl::unexpected(missing.error());
    primaries.values = {highest(gaps[0])}; // the p99 of 30
    secondaries.values = {highest(gaps[1])};
    return report{{primaries, secondaries},
                  {"rows 1 and 2 are the longest of " + std::to_string(s.kills) + " kills each; medians " +
                       std::to_string(static_cast<int>(median_of(gaps[0]))) + " and " +
                       std::to_string(static_cast<int>(median_of(gaps[1]))) + " ms",
                   "row 3: " + std::to_string(*missing) + " of " + std::to_string(acknowledged.size()) +
                       " acknowledged jobs were lost"}};
}

expected<report> row_throughput(const settings_of& s) {
    figure ratio{4, "jobs/s end to end, as a ratio to one node", "x", {}, better::more, 0.4, 0.6};
    figure cluster_rate{4, "  of the cluster", "jobs/s"}, node_rate{4, "  of one node", "jobs/s"};
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    node_under_test alone(s.binary, s.where);
    if (auto ok = alone.start(); !ok) return tl::unexpected(ok.error());
    client::bench_options load;
    load.tenant = tenant_name;
    load.type = noop_type;
    load.jobs = s.jobs;
    for (int i = 0; i < s.repetitions; ++i) {
        double rates[2];
        for (const bool of_cluster : {true, false}) {
            load.where = of_cluster ? c.connect() : alone.connect();
            const auto got = client::bench_jobs(load);
            if (!got) return tl::unexpected(got.error());
            if (got->refused + got->not_succeeded > 0) return fail(errc::internal, "not every job succeeded");
            rates[of_cluster ? 0 : 1] = got->completed_per_second;
        }
        cluster_rate.values.push_back(rates[0]);
        node_rate.values.push_back(rates[1]);
        ratio.values.push_back(rates[0] / rates[1]);
    }
    return report{{ratio, cluster_rate, node_rate}, {}};
}

expected<report> row_all_killed(const settings_of& s) {
    figure f{5, "all nodes killed and restarted: jobs accepted again", "ms", {}, better::less, 5000, 1000};
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    for (int i = 0; i < s.repetitions; ++i) {
        if (auto ok = c.whole(); !ok) return tl::unexpected(ok.error());
        for (std::uint32_t node = 1; node <= c.size(); ++node) c.kill(node, SIGKILL);
        const auto begin = steady::now();
        for (std::uint32_t node = 1; node <= c.size(); ++node)
            if (auto ok = c.restart(node); !ok) return tl::unexpected(ok.error());
        client::blocking_client as(c.connect());
        const auto answer = as.submit(client::job_spec{.tenant = tenant_name, .type = idle_type, .payload = "{}"});
        if (!answer) return tl::unexpected(answer.error());
        f.values.push_back(ms_since(begin));
    }
    return report{{f}, {}};
}

expected<report> row_etcd_away(const settings_of& s) {
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    steady_submits load(c.connect());
    if (!load.more(submits_before)) return stuck("before etcd went");
    c.kill_etcd();
    std::this_thread::sleep_for(s.etcd_away);
    if (!load.more(submits_after)) return stuck("while etcd was away");
    if (auto ok = c.restart_etcd(); !ok) return tl::unexpected(ok.error());
    if (!load.more(submits_after)) return stuck("when etcd came back");
    load.stop();
    figure f{6, "etcd away: longest gap in submits", "ms", {load.longest_gap_ms()}};
    return report{{f},
                  {"row 6: etcd was away for " + std::to_string(s.etcd_away.count()) + " s; " +
                   std::to_string(load.refused()) + " of " + std::to_string(load.acknowledged().size()) +
                   " requests failed" + why(load)}};
}

expected<report> row_rolling(const settings_of& s) {
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    steady_submits load(c.connect());
    for (std::uint32_t node = 1; node <= c.size(); ++node) {
        if (!load.more(submits_before)) return stuck("before a restart");
        c.kill(node, SIGTERM);
        if (!load.more(submits_after)) return stuck("while a node was away");
        if (auto ok = c.restart(node); !ok) return tl::unexpected(ok.error());
        if (auto ok = c.whole(); !ok) return tl::unexpected(ok.error());
    }
    load.stop();
    figure f{7, "rolling restart under load: longest gap in submits", "ms", {load.longest_gap_ms()}};
    return report{{f},
                  {"row 7: " + std::to_string(load.refused()) + " of " +
                   std::to_string(load.acknowledged().size()) + " requests failed" + why(load)}};
}

expected<report> row_drain(const settings_of& s) {
    figure f{8, "drain of a node with queued jobs, until it leads nothing", "ms", {}, better::less, 5000, 1000};
    cluster_under_test c(s.binary, s.where);
    if (auto ok = c.start(); !ok) return tl::unexpected(ok.error());
    client::bench_options load;
    load.where = c.connect();
    load.tenant = tenant_name;
    load.type = idle_type;
    load.jobs = s.jobs;
    load.in_flight = 256;
    load.with_worker = false;
    const auto filled = client::bench_submit(load);
    if (!filled) return tl::unexpected(filled.error());
    for (int i = 0; i < s.repetitions; ++i) {
        if (auto ok = c.whole(); !ok) return tl::unexpected(ok.error());
        const auto node = c.primary();
        if (!node) return tl::unexpected(node.error());
        client::blocking_client as(c.connect(*node % c.size() + 1));
        const auto begin = steady::now();
        if (auto ok = as.change_node(*node, client::node_change::drain); !ok) return tl::unexpected(ok.error());
        for (bool leads = true; leads;) {
            const auto shards = as.shards();
            if (!shards) return tl::unexpected(shards.error());
            leads = std::ranges::any_of(*shards, [&](const auto& each) { return each.primary == *node; });
            if (ms_since(begin) > 60e3) return fail(errc::unavailable, "the node still leads after a minute");
        }
        f.values.push_back(ms_since(begin));
        if (auto ok = as.change_node(*node, client::node_change::resume); !ok) return tl::unexpected(ok.error());
    }
    return report{{f}, {"row 8: " + std::to_string(s.jobs) + " jobs were queued"}};
}

} // namespace coppice::bench
