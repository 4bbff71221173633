// The promises of a cluster, measured on a real one: an etcd and three nodes in processes of their own on a real
// disk, on this machine. Prints each figure beside what is asked of it.
//
//   cluster_bench [--small] [--rows 1,4] [--repetitions N] [--json] [--directory DIR] [COPPICE]
//
// Ends with 0 when every row could be measured, whatever the figures.
#include "bench/child_process.hpp"
#include "bench/cluster/rows.hpp"
#include "bench/measured_rows.hpp"

namespace {

using namespace coppice;

std::vector<bench::measured_rows<bench::cluster_settings_of_bench>> rows_of_cluster() {
    return {
        {{1, 2, 3}, bench::row_kills}, {{4}, bench::row_throughput}, {{5}, bench::row_all_killed},
        {{6}, bench::row_etcd_away},   {{7}, bench::row_rolling},    {{8}, bench::row_drain},
    };
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures a real cluster against its promises"};
    bench::cluster_settings_of_bench settings{.binary = bench::coppice_beside_this_program(),
                                              .where = bench::disk_directory()};
    bool small = false, json = false;
    std::vector<int> chosen;
    std::int64_t away = settings.etcd_away.count();
    bench::add_row_flags(app, 8, settings, small, json, chosen);
    app.add_option("--kills", settings.kills, "Of a primary, and of a secondary")->check(CLI::Range(1, 1000));
    app.add_option("--etcd-away", away, "Seconds")->check(CLI::Range(1, 86'400));
    CLI11_PARSE(app, argc, argv);
    if (small) settings.kills = settings.repetitions = 1, settings.jobs = 1000, away = 1;
    settings.etcd_away = std::chrono::seconds{away};
    return bench::measure_rows("cluster_bench", rows_of_cluster(), settings, chosen, json);
}
