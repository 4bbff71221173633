#include "runtime/cli/output.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "runtime/cli/terminal_text.hpp"
#include "runtime/observability/log_text.hpp"

namespace coppice::cli {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t flexible_width_min = 8;

void append_cell(std::string& line, const std::string& text, std::size_t width, const column& c, bool last) {
    const std::string shown = c.flexible ? cut_to_width(text, width) : text;
    const std::size_t used = display_width(shown);
    const std::size_t padding = used < width ? width - used : 0;
    if (c.right) line.append(padding, ' ');
    line += shown;
    if (!c.right && !last) line.append(padding, ' ');
    if (!last) line.append(gap, ' ');
}

} // namespace

table::table(std::vector<column> columns) : columns_(std::move(columns)) {
    for (const column& c : columns_) widths_.push_back(display_width(c.title));
}

void table::add(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        cells[i] = printable(cells[i]);
        widths_[i] = std::max(widths_[i], display_width(cells[i]));
    }
    rows_.push_back(std::move(cells));
}

// Takes what is missing from the widest flexible column first, so that short ones stay whole.
std::vector<std::size_t> table::widths_for(std::size_t width) const {
    auto widths = widths_;
    if (width == 0) return widths;
    std::size_t total = std::accumulate(widths.begin(), widths.end(), gap * (widths.size() - 1));
    while (total > width) {
        std::size_t widest = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i)
            if (columns_[i].flexible && widths[i] > flexible_width_min &&
                (widest == columns_.size() || widths[i] > widths[widest]))
                widest = i;
        if (widest == columns_.size()) break;
        --widths[widest];
        --total;
    }
    return widths;
}

std::string table::take(std::size_t width) {
    const auto widths = widths_for(width);
    std::string out;
    const auto append_row = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i)
            append_cell(line, cell_of(i), widths[i], columns_[i], i + 1 == columns_.size());
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    };
    if (!titled_) append_row([this](std::size_t i) -> const std::string& { return columns_[i].title; });
    titled_ = true;
    for (const auto& row : rows_) append_row([&row](std::size_t i) -> const std::string& { return row[i]; });
    rows_.clear();
    return out;
}

json_object& json_object::raw(std::string_view name, std::string_view json) {
    if (!members_.empty()) members_ += ',';
    append_json_string(members_, name);
    members_ += ':';
    members_ += json;
    return *this;
}

json_object& json_object::text(std::string_view name, std::string_view value) {
    return raw(name, json_string(value));
}

json_object& json_object::real(std::string_view name, double value) {
    if (!std::isfinite(value)) return null(name);
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.9g", value);
    return raw(name, digits.data());
}

json_object& json_object::time(std::string_view name, instant value) {
    return value == never ? null(name) : text(name, to_rfc3339(value));
}

json_object& json_object::foreign(std::string_view name, std::string_view json) {
    return nlohmann::json::accept(json) ? raw(name, printable_json(json)) : text(name, json);
}

std::string json_array(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const std::string& item : items) {
        if (out.size() > 1) out += ',';
        out += item;
    }
    return out + "]";
}

std::string json_texts(const std::vector<std::string>& texts) {
    std::vector<std::string> items;
    for (const std::string& each : texts) items.push_back(json_string(each));
    return json_array(items);
}

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string json_failure(const failure& f) {
    return json_object{}.text("code", to_string(f.code)).text("message", f.detail).done();
}

std::string time_cell(instant t) {
    if (t == never) return "-";
    const std::string text = to_rfc3339(t);
    return text.substr(0, text.find('.')) + "Z"; // to the second, and no zeros that look like more
}

std::string age_cell(milliseconds age) {
    struct unit {
        std::int64_t ms;
        const char* name;
    };
    constexpr std::array units{unit{86'400'000, "d"}, unit{3'600'000, "h"}, unit{60'000, "m"}, unit{1000, "s"}};
    const std::int64_t ms = std::max<std::int64_t>(0, age.count());
    for (std::size_t i = 0; i < units.size(); ++i) {
        if (ms < units[i].ms) continue;
        std::string text = std::to_string(ms / units[i].ms) + units[i].name;
        if (i + 1 < units.size())
            if (const auto rest = ms % units[i].ms / units[i + 1].ms; rest > 0)
                text += std::to_string(rest) + units[i + 1].name;
        return text;
    }
    return std::to_string(ms) + "ms";
}

std::string text_or_dash(std::string_view text) { return text.empty() ? "-" : std::string{text}; }

} // namespace coppice::cli
