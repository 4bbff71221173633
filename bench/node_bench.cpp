// The promises of a node, measured on a real one: `coppice serve` in a process of its own on a real disk, a client
// and a worker in this one. Prints each figure beside what is asked of it.
//
//   node_bench [--small] [--rows 1,3] [--repetitions N] [--json] [--directory DIR] [COPPICE]
//
// Ends with 0 when every row could be measured, whatever the figures.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <set>

#include "bench/node/node_under_test.hpp"
#include "bench/node/rows.hpp"

namespace {

using namespace coppice;

struct measured_rows {
    std::set<int> rows;
    std::function<expected<bench::report>(const bench::settings&)> measure;
};

const std::vector<measured_rows>& all_rows() {
    static const std::vector<measured_rows> rows{
        {{1}, bench::row_batches}, {{2}, bench::row_many_submits},        {{3}, bench::row_single_submit},
        {{4}, bench::row_steady},  {{5, 6, 8}, bench::rows_of_a_backlog}, {{7}, bench::row_supervision},
    };
    return rows;
}

std::filesystem::path beside_this_program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "coppice";
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures a real node against its promises"};
    bench::settings settings{.binary = beside_this_program(), .where = bench::disk_directory()};
    bool small = false, json = false;
    std::vector<int> chosen;
    app.add_flag("--small", small, "Thousands instead of a million: whether it works, and no figure");
    app.add_flag("--json", json, "For programs");
    app.add_option("--rows", chosen, "Only these, such as 1,3")->delimiter(',')->check(CLI::Range(1, 8));
    app.add_option("--repetitions", settings.repetitions, "The figure is their median")->check(CLI::Range(1, 99));
    app.add_option("--directory", settings.where, "On a real disk")->check(CLI::ExistingDirectory);
    app.add_option("coppice", settings.binary, "The program to measure")->check(CLI::ExistingFile);
    CLI11_PARSE(app, argc, argv);
    if (small) settings = bench::small(settings);

    const std::set<int> wanted(chosen.begin(), chosen.end());
    bench::report all;
    bool failed = false;
    for (const auto& part : all_rows()) {
        const auto is_wanted = [&](int row) { return wanted.empty() || wanted.contains(row); };
        if (std::ranges::none_of(part.rows, is_wanted)) continue;
        for (const int row : part.rows) std::fprintf(stderr, "measuring row %d\n", row);
        auto got = part.measure(settings);
        if (!got) {
            std::fprintf(stderr, "node_bench: row %d: %s\n", *part.rows.begin(), to_string(got.error()).c_str());
            failed = true;
            continue;
        }
        all.add(std::move(*got));
    }
    std::ranges::stable_sort(all.figures, {}, &bench::figure::row);
    std::fputs(json ? to_json(all).c_str() : to_table(all).c_str(), stdout);
    return failed ? 1 : 0;
}
