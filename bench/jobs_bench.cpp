// The promises of a job system beside raw speed, measured on a real node: a process of its own on a real disk, a
// client and a worker in this one. Prints each figure beside what is asked of it.
//
//   jobs_bench [--small] [--rows 1,3] [--repetitions N] [--json] [--directory DIR] [COPPICE]
//
// Ends with 0 when every row could be measured, whatever the figures.
#include "bench/child_process.hpp"
#include "bench/jobs/rows.hpp"
#include "bench/measured_rows.hpp"

namespace {

using namespace coppice;

std::vector<bench::measured_rows<bench::jobs_settings>> all_rows() {
    return {{{1}, bench::row_limits},
            {{2}, bench::row_schedules},
            {{3}, bench::row_shares},
            {{4}, bench::row_graph},
            {{5}, bench::row_search}};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures a real node's limits, schedules, shares, graphs and searches"};
    bench::jobs_settings settings{.binary = bench::coppice_beside_this_program(), .where = bench::disk_directory()};
    bool small = false, json = false;
    std::vector<int> chosen;
    bench::add_row_flags(app, 5, settings, small, json, chosen);
    CLI11_PARSE(app, argc, argv);
    if (small) settings = bench::small(settings);

    return bench::measure_rows("jobs_bench", all_rows(), settings, chosen, json);
}
