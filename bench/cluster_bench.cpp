// The promises of a cluster, measured on a real one: an etcd and three nodes in processes of their own on a real
// disk, on this machine. Prints each figure beside what is asked of it.
//
//   cluster_bench [--small] [--rows 1,4] [--repetitions N] [--json] [--directory DIR] [COPPICE]
//
// Ends with 0 when every row could be measured, whatever the figures.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <functional>
#include <set>

#include "bench/cluster/rows.hpp"
#include "bench/node/node_under_test.hpp"

namespace {

using namespace coppice;

struct cluster_rows {
    std::set<int> rows;
    std::function<expected<bench::report>(const bench::cluster_settings_of_bench&)> measure;
};

const std::vector<cluster_rows>& rows_of_cluster() {
    static const std::vector<cluster_rows> rows{
        {{1, 2, 3}, bench::row_kills}, {{4}, bench::row_throughput}, {{5}, bench::row_all_killed},
        {{6}, bench::row_etcd_away},   {{7}, bench::row_rolling},    {{8}, bench::row_drain},
    };
    return rows;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures a real cluster against its promises"};
    const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
    bench::cluster_settings_of_bench settings{.binary = here / "coppice", .where = bench::disk_directory()};
    bool small = false, json = false;
    std::vector<int> chosen;
    std::int64_t away = settings.etcd_away.count();
    app.add_flag("--small", small, "One kill, a few jobs: whether it works, and no figure");
    app.add_flag("--json", json, "For programs");
    app.add_option("--rows", chosen, "Only these, such as 1,4")->delimiter(',')->check(CLI::Range(1, 8));
    app.add_option("--kills", settings.kills, "Of a primary, and of a secondary")->check(CLI::Range(1, 1000));
    app.add_option("--etcd-away", away, "Seconds")->check(CLI::Range(1, 86'400));
    app.add_option("--repetitions", settings.repetitions, "The figure is their median")->check(CLI::Range(1, 99));
    app.add_option("--directory", settings.where, "On a real disk")->check(CLI::ExistingDirectory);
    app.add_option("coppice", settings.binary, "The program to measure")->check(CLI::ExistingFile);
    CLI11_PARSE(app, argc, argv);
    if (small) settings.kills = settings.repetitions = 1, settings.jobs = 1000, away = 1;
    settings.etcd_away = std::chrono::seconds{away};

    bench::report all;
    bool failed = false;
    for (const auto& part : rows_of_cluster()) {
        const auto is_wanted = [&](int row) { return std::ranges::find(chosen, row) != chosen.end(); };
        if (!chosen.empty() && std::ranges::none_of(part.rows, is_wanted)) continue;
        std::fprintf(stderr, "measuring row %d\n", *part.rows.begin());
        auto got = part.measure(settings);
        if (!got) {
            std::fprintf(stderr, "cluster_bench: row %d: %s\n", *part.rows.begin(), to_string(got.error()).c_str());
            failed = true;
            continue;
        }
        all.add(std::move(*got));
    }
    std::fputs(json ? to_json(all).c_str() : to_table(all).c_str(), stdout);
    return failed ? 1 : 0;
}
