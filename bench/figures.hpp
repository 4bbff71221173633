// What the node's bench measures, and how it is told: one figure is one promise, with what is asked of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/errc.hpp"

namespace coppice::bench {

enum class better : std::uint8_t { more, less };

struct figure {
    int row = 0; // of the table of promises, from 1
    std::string name;
    std::string unit;
    std::vector<double> values; // one for each repetition; the figure is their median
    better wanted = better::more;
    double floor = 0; // what must be reached; 0: this figure is only there to compare with
    double aim = 0;

    double reached() const;
    bool reaches(double mark) const { return wanted == better::more ? reached() >= mark : reached() <= mark; }
};

// Figures, and sentences that say how they came about.
struct report {
    std::vector<figure> figures;
    std::vector<std::string> notes;

    void add(report more);
};

double median_of(std::vector<double> values);

std::string to_table(const report& r);
std::string to_json(const report& r);

} // namespace coppice::bench
