// Text for a terminal, whoever wrote it: what a terminal would act upon is shown as an escape, and how many cells
// the rest takes is known.
//
// Intuition: a job's error message, a payload, a log line come from tenants; printed as they are, they could clear
// the operator's screen, retitle the window or draw a false row. Nothing of that kind passes `printable`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coppice::cli {

// One line: controls of ASCII and C1, DEL, and characters that turn the direction of text or end a line become
// \n, \t, \x1b, \u202e ...; a byte that is not UTF-8 becomes U+FFFD.
std::string printable(std::string_view text);
// The same, but newlines and tabs stay.
std::string printable_lines(std::string_view text);
// JSON text that is valid already, with such characters as \u escapes, on one line: it reads back as the same
// value.
std::string printable_json(std::string_view json);

// Cells that `text` (which is printable) takes: 2 for East Asian wide characters and emoji, 0 for combining marks.
// Source: Unicode 15, EastAsianWidth.txt, by its large blocks.
std::size_t display_width(std::string_view text);
// `text` in at most `width` cells; what is cut ends in an ellipsis.
std::string cut_to_width(std::string_view text, std::size_t width);

// 1234567 -> "1,234,567".
std::string grouped(unsigned long long number);

} // namespace coppice::cli
