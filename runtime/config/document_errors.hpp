// What is wrong with a text that someone wrote, said so that they can repair it: file, line, column, field,
// sentence. One run collects everything, so that nobody mends a file one error at a time.
//
// Texts quoted from the input are made harmless for a terminal (`shown`): no control characters, cut when long.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"

namespace coppice {

// Where in a text; both count from 1, columns in bytes. 0 means unknown (text that came as JSON, or no text at
// all).
struct text_place {
    int line = 0;
    int column = 0;
    auto operator<=>(const text_place&) const = default;
};

struct document_error {
    std::string file;
    text_place at;
    std::string path; // "spec.types[2]"; empty when the whole text is meant
    std::string message;
    bool operator==(const document_error&) const = default;
};

// `platform.yaml:12:5: spec.weight: must be a whole number from 1 to 1000, not "heavy"`
std::string to_string(const document_error& error);

struct document_errors {
    std::vector<document_error> list; // at most limits::document_errors_max
    std::size_t unreported = 0;       // beyond those

    bool empty() const { return list.empty(); }
    void add(document_error error);
    void append(document_errors more);
    // By file, line, column: the order in which a person walks through them.
    void sort();
};

// A line for each error, and a last one when there were more than could be reported.
std::string to_string(const document_errors& errors);
// document_invalid, with all of that as its detail.
failure to_failure(const document_errors& errors);

// `text` in quotes, with escapes for what a terminal would act upon, cut after some 60 characters.
std::string shown(std::string_view text);
// The same without the quotes.
std::string harmless(std::string_view text, std::size_t size_max);

// The one of `known` that `text` was probably meant to be (a typing error or two away), or an empty view.
std::string_view nearest(std::string_view text, const std::vector<std::string_view>& known);

} // namespace coppice
