// The rows of the table of promises that a cluster must keep: three nodes and an etcd on one machine, every
// acknowledgement on disk on all in-sync replicas. Each row blocks. Numbers of rows: bench/README.md.
#pragma once

#include <filesystem>

#include "bench/figures.hpp"

namespace coppice::bench {

struct cluster_settings_of_bench {
    std::filesystem::path binary;        // of coppice
    std::filesystem::path where;         // a directory on a real disk
    int kills = 30;                      // rows 1 and 2
    std::uint64_t jobs = 100'000;        // rows 4 and 8
    int repetitions = 3;                 // rows 4, 5 and 8
    std::chrono::seconds etcd_away{600}; // row 6
};

expected<report> row_kills(const cluster_settings_of_bench& s);      // 1, 2 and 3
expected<report> row_throughput(const cluster_settings_of_bench& s); // 4
expected<report> row_all_killed(const cluster_settings_of_bench& s); // 5
expected<report> row_etcd_away(const cluster_settings_of_bench& s);  // 6
expected<report> row_rolling(const cluster_settings_of_bench& s);    // 7
expected<report> row_drain(const cluster_settings_of_bench& s);      // 8

} // namespace coppice::bench
