#include "runtime/cli/tree_output.hpp"

#include <algorithm>

#include "runtime/config/quantities.hpp"

namespace coppice::cli {
namespace {

std::ptrdiff_t depth_of(const std::string& path) { return std::ranges::count(path, '/'); }

std::string memory_cell(std::uint64_t bytes) {
    if (bytes == 0) return "-";
    if (bytes < 1024) return format_size(bytes);
    std::uint64_t unit = 1024;
    while (bytes / unit >= 1024 * 10 && unit < std::uint64_t{1} << 40) unit *= 1024;
    return format_size(bytes / unit * unit);
}

} // namespace

std::string tree_text(const std::vector<client::tree_row>& rows, std::size_t width) {
    const bool with_memory =
        std::ranges::any_of(rows, [](const client::tree_row& r) { return r.memory_bytes != 0; });
    std::vector<column> columns{{"NAME", false, true}, {"KIND", false, true}, {"STATE", false, true},
                                {"MAILBOX", true},     {"HANDLED", true},     {"RESTARTS", true},
                                {"AGE", true}};
    if (with_memory) columns.push_back({"MEMORY", true});
    columns.push_back({"LAST FAILURE", false, true});
    table out(std::move(columns));
    const auto margin = rows.empty() ? 0 : depth_of(rows.front().path);
    for (const client::tree_row& r : rows) {
        const auto depth = std::max<std::ptrdiff_t>(0, depth_of(r.path) - margin);
        // The first row stands for where we are: its whole path.
        const std::string name = depth == 0 ? r.path : r.path.substr(r.path.rfind('/') + 1);
        std::vector<std::string> cells{std::string(static_cast<std::size_t>(depth) * 2, ' ') + name,
                                       r.kind,
                                       r.state,
                                       std::to_string(r.mailbox),
                                       std::to_string(r.handled),
                                       std::to_string(r.restarts),
                                       age_cell(r.age)};
        if (with_memory) cells.push_back(memory_cell(r.memory_bytes));
        cells.push_back(text_or_dash(r.last_failure));
        out.add(std::move(cells));
    }
    return out.take(width);
}

std::string tree_row_json(const client::tree_row& row) {
    json_object o;
    o.text("path", row.path)
        .text("kind", row.kind)
        .text("state", row.state)
        .number("mailbox", row.mailbox)
        .number("handled", row.handled)
        .number("restarts", row.restarts)
        .number("age_ms", row.age.count());
    if (row.last_failure.empty())
        o.null("last_failure");
    else
        o.text("last_failure", row.last_failure);
    if (row.memory_bytes == 0)
        o.null("memory_bytes");
    else
        o.number("memory_bytes", row.memory_bytes);
    return o.done();
}

} // namespace coppice::cli
