// Comma-separated values (RFC 4180), a record a line: a field with a comma, a quote or blanks at its ends stands in
// quotes, a quote in it is written twice. A field that goes over several lines is not taken.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"

namespace coppice::cli {

// Line ends within a field become blanks. No newline at the end.
std::string csv_line(const std::vector<std::string>& fields);
// invalid_argument: a quote that is not closed, or something behind one that is.
expected<std::vector<std::string>> parse_csv_line(std::string_view line);

} // namespace coppice::cli
