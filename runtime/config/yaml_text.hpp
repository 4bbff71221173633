// What is looked at in a YAML text before any parser sees it: its size, its encoding, and the few things that
// yaml-cpp would take in silence or pay for dearly. Pure; about a nanosecond a byte.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "runtime/config/document_errors.hpp"

namespace coppice {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct text_problem {
    text_place at;
    std::string_view message; // a literal
};

// The first of each kind; empty when the text may go to the parser. Refused are: more than
// limits::document_size_max bytes, what is not UTF-8 (RFC 3629), control characters (yaml-cpp ends a text at
// U+0004), a carriage return that no newline follows, tabs that indent, directives, and more than
// limits::yaml_brackets_max opening brackets.
std::vector<text_problem> problems_of(std::string_view text);

// Without the byte order mark that some editors put first.
std::string_view without_mark(std::string_view text);

// The length of the UTF-8 sequence at the front of `text`, or 0 when there is no valid one. `code_point` is set
// then.
std::size_t utf8_sequence(std::string_view text, char32_t& code_point);

} // namespace coppice
