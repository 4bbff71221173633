// What the programs that measure a table of promises have in common: which rows, one after the other, and how they
// are told.
#pragma once

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
