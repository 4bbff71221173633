#include "runtime/cli/ndjson_reader.hpp"

namespace coppice::cli {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

} // namespace

ndjson_reader::ndjson_reader(std::size_t line_size_max) : line_size_max_(line_size_max) {}

void ndjson_reader::feed(std::string_view bytes) {
    held_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    held_ += bytes;
}

std::optional<input_line> ndjson_reader::next() {
    for (;;) {
        const auto newline = held_.find('\n', scanned_);
        const bool complete = newline != std::string::npos;
        const std::size_t end = complete ? newline : held_.size();
        // More than the bound, for what is cut off before it is judged: the CR and the mark at the start.
        const std::size_t cut_off = 1 + (at_start_ ? byte_order_mark.size() : 0);
        if (!skipping_ && end - begin_ > line_size_max_ + cut_off) skipping_ = true;
        if (!complete && !ended_) {
            if (skipping_) begin_ = held_.size();
            scanned_ = held_.size();
            return std::nullopt;
        }
        if (!complete && begin_ == held_.size() && !skipping_) return std::nullopt;
        auto line = take(end);
        begin_ = scanned_ = complete ? newline + 1 : held_.size();
        if (line) return line;
    }
}

std::optional<input_line> ndjson_reader::take(std::size_t end) {
    ++number_;
    std::string_view text{held_};
    text = text.substr(begin_, end - begin_);
    if (at_start_ && text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    at_start_ = false;
    if (text.ends_with('\r')) text.remove_suffix(1);
    const bool too_long = skipping_ || text.size() > line_size_max_;
    skipping_ = false;
    if (too_long) return input_line{number_, {}, true};
    if (is_blank(text)) return std::nullopt;
    return input_line{number_, std::string{text}, false};
}

} // namespace coppice::cli
