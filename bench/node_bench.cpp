// The promises of a node, measured on a real one: `coppice serve` in a process of its own on a real disk, a client
// and a worker in this one. Prints each figure beside what is asked of it.
//
//   node_bench [--small] [--rows 1,3] [--repetitions N] [--json] [--directory DIR] [COPPICE]
//
// Ends with 0 when every row could be measured, whatever the figures.
#include "bench/child_process.hpp"
#include "bench/measured_rows.hpp"
#include "bench/node/rows.hpp"

namespace {

using namespace coppice;

std::vector<bench::measured_rows<bench::settings>> all_rows() {
    return {
        {{1}, bench::row_batches}, {{2}, bench::row_many_submits},        {{3}, bench::row_single_submit},
        {{4}, bench::row_steady},  {{5, 6, 8}, bench::rows_of_a_backlog}, {{7}, bench::row_supervision},
    };
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures a real node against its promises"};
    bench::settings settings{.binary = bench::coppice_beside_this_program(), .where = bench::disk_directory()};
    bool small = false, json = false;
    std::vector<int> chosen;
    bench::add_row_flags(app, 8, settings, small, json, chosen);
    CLI11_PARSE(app, argc, argv);
    if (small) settings = bench::small(settings);

    return bench::measure_rows("node_bench", all_rows(), settings, chosen, json);
}
