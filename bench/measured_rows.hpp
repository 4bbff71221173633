// What the programs that measure a table of promises have in common: which rows, one after the other, and how they
// are told.
#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>

#include "bench/figures.hpp"

namespace coppice::bench {

// Rows that are measured together.
template <class Settings>
struct measured_rows {
    std::set<int> rows;
    std::function<expected<report>(const Settings&)> measure;
};

// The program to measure, as the build leaves it.
inline std::filesystem::path coppice_beside_this_program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "coppice";
}

// The flags that all of them have; `last`: the highest row.
template <class Settings>
void add_row_flags(CLI::App& app, int last, Settings& settings, bool& small, bool& json, std::vector<int>& chosen) {
    app.add_flag("--small", small, "As little as shows that every row can be measured, and no figure");
    app.add_flag("--json", json, "For programs");
    app.add_option("--rows", chosen, "Only these, such as 1,3")->delimiter(',')->check(CLI::Range(1, last));
    app.add_option("--repetitions", settings.repetitions, "The figure is their median")->check(CLI::Range(1, 99));
    app.add_option("--directory", settings.where, "On a real disk")->check(CLI::ExistingDirectory);
    app.add_option("coppice", settings.binary, "The program to measure")->check(CLI::ExistingFile);
}

// Prints the figures of the `chosen` rows, or of all when none is named. The program's exit status: 0 when every
// row could be measured, whatever the figures.
template <class Settings>
int measure_rows(const char* program, const std::vector<measured_rows<Settings>>& all, const Settings& settings,
                 const std::vector<int>& chosen, bool json) {
    report gathered;
    bool failed = false;
    for (const auto& part : all) {
        const auto is_wanted = [&](int row) {
            return chosen.empty() || std::ranges::find(chosen, row) != chosen.end();
        };
        if (std::ranges::none_of(part.rows, is_wanted)) continue;
        for (const int row : part.rows) std::fprintf(stderr, "measuring row %d\n", row);
        auto got = part.measure(settings);
        if (!got) {
            std::fprintf(stderr, "%s: row %d: %s\n", program, *part.rows.begin(), to_string(got.error()).c_str());
            failed = true;
            continue;
        }
        gathered.add(std::move(*got));
    }
    std::ranges::stable_sort(gathered.figures, {}, &figure::row);
    std::fputs(json ? to_json(gathered).c_str() : to_table(gathered).c_str(), stdout);
    return failed ? 1 : 0;
}

} // namespace coppice::bench
