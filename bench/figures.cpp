#include "bench/figures.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>

namespace coppice::bench {
namespace {

using json = nlohmann::ordered_json;

// As many digits as one can believe.
std::string short_text(double value) {
    char text[32];
    const char* format = value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f";
    std::snprintf(text, sizeof text, format, value);
    return text;
}

std::string verdict(const figure& f) {
    if (f.floor == 0) return "";
    return f.reaches(f.aim) ? "aim" : f.reaches(f.floor) ? "floor" : "MISSED";
}

std::string all_values(const figure& f) {
    std::string text;
    for (const double v : f.values) text += (text.empty() ? "" : " ") + short_text(v);
    return text;
}

} // namespace

double median_of(std::vector<double> values) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double figure::reached() const { return median_of(values); }

void report::add(report more) {
    std::ranges::move(more.figures, std::back_inserter(figures));
    std::ranges::move(more.notes, std::back_inserter(notes));
}

std::string to_table(const report& r) {
    constexpr const char* line_format = "%3s  %-62s %10s %10s %10s  %-7s %-6s  %s\n";
    char line[400];
    std::snprintf(line, sizeof line, line_format, "row", "figure", "reached", "at least", "aim", "unit", "",
                  "each");
    std::string text = line;
    for (const figure& f : r.figures) {
        const bool asked = f.floor != 0;
        std::snprintf(line, sizeof line, line_format, std::to_string(f.row).c_str(), f.name.c_str(),
                      short_text(f.reached()).c_str(), asked ? short_text(f.floor).c_str() : "-",
                      asked ? short_text(f.aim).c_str() : "-", f.unit.c_str(), verdict(f).c_str(),
                      all_values(f).c_str());
        text += line;
    }
    for (const std::string& note : r.notes) text += "  - " + note + "\n";
    return text;
}

std::string to_json(const report& r) {
    json all = json::array();
    for (const figure& f : r.figures) {
        json one{{"row", f.row}, {"name", f.name}, {"unit", f.unit}, {"reached", f.reached()}, {"each", f.values}};
        if (f.floor != 0) one.update({{"at_least", f.floor}, {"aim", f.aim}, {"verdict", verdict(f)}});
        all.push_back(std::move(one));
    }
    return json{{"figures", all}, {"notes", r.notes}}.dump(2) + "\n";
}

} // namespace coppice::bench
