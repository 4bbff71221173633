#include "runtime/cli/csv_line.hpp"

#include <algorithm>

namespace coppice::cli {
namespace {

std::string quoted(const std::string& field) {
    const bool plain =
        field.find_first_of(",\"\r\n") == std::string::npos && !field.starts_with(' ') && !field.ends_with(' ');
    if (plain) return field;
    std::string text = "\"";
    for (const char c : field) {
        if (c == '"') text += '"';
        text += c == '\n' || c == '\r' ? ' ' : c;
    }
    return text + '"';
}

} // namespace

std::string csv_line(const std::vector<std::string>& fields) {
    std::string line;
    for (const std::string& field : fields) {
        if (&field != &fields.front()) line += ',';
        line += quoted(field);
    }
    return line;
}

expected<std::vector<std::string>> parse_csv_line(std::string_view line) {
    std::vector<std::string> fields{{}};
    for (std::size_t at = 0; at < line.size(); ++at) {
        if (line[at] == ',') {
            fields.emplace_back();
        } else if (line[at] == '"' && fields.back().empty()) {
            for (++at;; ++at) {
                if (at >= line.size()) return fail(errc::invalid_argument, "a quote is not closed on its line");
                if (line[at] != '"') {
                    fields.back() += line[at];
                } else if (at + 1 < line.size() && line[at + 1] == '"') {
                    fields.back() += line[at++];
                } else {
                    break;
                }
            }
            if (at + 1 < line.size() && line[at + 1] != ',')
                return fail(errc::invalid_argument, "behind a closing quote comes a comma or the line's end");
        } else {
            fields.back() += line[at];
        }
    }
    return fields;
}

} // namespace coppice::cli
