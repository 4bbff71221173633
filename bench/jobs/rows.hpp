// The rows of the table of promises that a job system must keep beside raw speed: limits, schedules, shares,
// graphs, searches. Each starts a node of its own and blocks. Numbers of rows: bench/README.md.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/figures.hpp"
#include "schema/errc.hpp"

namespace coppice::bench {

struct jobs_settings {
    std::filesystem::path binary; // of coppice
    std::filesystem::path where;  // a directory on a real disk
    int repetitions = 3;

    std::uint64_t jobs = 100'000;       // row 1, of each kind
    std::uint64_t schedules = 10'000;   // row 2, due in one second
    double rate = 500;                  // row 2: jobs a second of the other tenant
    double seconds = 8;                 // row 2
    std::uint64_t backlog = 100'000;    // row 3, of each tenant
    std::uint64_t window = 1'000;       // row 3: starts of which the shares are looked at
    std::uint32_t graph_layers = 100;   // row 4
    std::uint32_t graph_width = 100;    // row 4
    std::uint64_t searched = 1'000'000; // row 5
};

// Hundreds instead of thousands: shows that every row can be measured, and no figure.
jobs_settings small(jobs_settings s);

expected<report> row_limits(const jobs_settings& s);    // 1
expected<report> row_schedules(const jobs_settings& s); // 2
expected<report> row_shares(const jobs_settings& s);    // 3
expected<report> row_graph(const jobs_settings& s);     // 4
expected<report> row_search(const jobs_settings& s);    // 5

} // namespace coppice::bench
