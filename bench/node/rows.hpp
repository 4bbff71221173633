// The rows of the table of promises that a node must keep. Each starts a node of its own, so that none measures
// what another left behind, and blocks. Numbers of rows: bench/README.md.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/figures.hpp"
#include "schema/errc.hpp"

namespace coppice::bench {

struct settings {
    std::filesystem::path binary; // of coppice
    std::filesystem::path where;  // a directory on a real disk
    int repetitions = 3;

    std::uint64_t jobs = 100'000;        // rows 1 and 8
    std::uint64_t submits = 60'000;      // row 2
    std::uint64_t single_rounds = 100;   // row 3: of `single_group` of each kind
    std::uint64_t single_group = 20;     // row 3
    double steady_rate = 500;            // row 4: jobs a second
    double steady_seconds = 10;          // row 4
    std::uint64_t backlog = 1'000'000;   // rows 5, 6, 8
    std::uint64_t small_backlog = 1'000; // row 8
    int restarts = 10'000;               // row 7
};

// Thousands instead of a million: shows that every row can be measured, and no figure.
settings small(settings s);

expected<report> row_batches(const settings& s);       // 1
expected<report> row_many_submits(const settings& s);  // 2
expected<report> row_single_submit(const settings& s); // 3
expected<report> row_steady(const settings& s);        // 4
expected<report> rows_of_a_backlog(const settings& s); // 5, 6, 8: one backlog is filled for all three
expected<report> row_supervision(const settings& s);   // 7

} // namespace coppice::bench
