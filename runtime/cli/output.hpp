// Tables for people and JSON for programs: the two shapes in which every command prints.
//
// Both make what comes from tenants harmless (terminal_text.hpp). JSON is one document a line, with times in RFC
// 3339 UTC and null for what is absent, so that `jq` and a shell's `while read` both take it.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice::cli {

enum class output_format { table, json };

struct column {
    std::string title;
    bool right = false;    // numbers
    bool flexible = false; // is cut when the terminal is too narrow; the others (ids, numbers) never are
};

// Rows gather until `take`; widths only grow from one take to the next, so that pages line up.
class table {
  public:
    explicit table(std::vector<column> columns);
    // As many cells as there are columns; each is made printable here.
    void add(std::vector<std::string> cells);
    // The rows so far, below the titles the first time. Width in cells; 0: no bound.
    std::string take(std::size_t width);
    bool empty() const { return rows_.empty(); }

  private:
    std::vector<std::size_t> widths_for(std::size_t width) const;

    std::vector<column> columns_;
    std::vector<std::size_t> widths_;
    std::vector<std::vector<std::string>> rows_;
    bool titled_ = false;
};

class json_object {
  public:
    json_object& text(std::string_view name, std::string_view value);
    json_object& boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    json_object& real(std::string_view name, double value);  // null when it is no number
    json_object& time(std::string_view name, instant value); // null for `never`
    json_object& null(std::string_view name) { return raw(name, "null"); }
    template <std::integral T>
    json_object& number(std::string_view name, T value) {
        return raw(name, std::to_string(value));
    }
    // `json` is a JSON text of one line already.
    json_object& raw(std::string_view name, std::string_view json);
    // A text that ought to be JSON and comes from elsewhere: as it is when it is valid, else as a string.
    json_object& foreign(std::string_view name, std::string_view json);

    std::string done() const { return "{" + members_ + "}"; }

  private:
    std::string members_;
};

std::string json_array(const std::vector<std::string>& items); // of JSON texts
std::string json_texts(const std::vector<std::string>& texts);
std::string json_string(std::string_view text);
// {"code", "message"}
std::string json_failure(const failure& f);

// ---- cells
// "2026-11-20T19:55:01Z"; "-" for `never`.
std::string time_cell(instant t);
// The two largest units: "3h12m", "850ms".
std::string age_cell(milliseconds age);
std::string text_or_dash(std::string_view text);

} // namespace coppice::cli
