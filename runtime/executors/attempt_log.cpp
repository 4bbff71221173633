#include "runtime/executors/attempt_log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "schema/limits.hpp"

namespace coppice::executors {

namespace {

constexpr std::string_view cut_mark = " [cut]";
constexpr std::string_view progress_word = "::progress ";
constexpr std::string_view checkpoint_word = "::checkpoint ";
constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

std::size_t sequence_length(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    if (first >= 0xF0 && first <= 0xF4) return 4;
    return 0;
}

// The second byte has a narrower range after these: no overlong forms, no surrogates, nothing above U+10FFFF.
bool second_byte_fits(unsigned char first, unsigned char second) {
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

// Bytes of the valid character at the beginning of `text`; 0 when there is none.
std::size_t character_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto length = sequence_length(byte(0));
    if (length == 0 || length > text.size()) return 0;
    if (length > 1 && !second_byte_fits(byte(0), byte(1))) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    return length;
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

} // namespace

std::string clean_text(std::string_view text, std::size_t size_max, std::string_view mark) {
    if (text.size() <= size_max && is_ascii(text)) return std::string(text);
    std::string clean;
    std::size_t fits = 0; // the longest end of a character that leaves room for the mark
    while (!text.empty()) {
        const auto size = character_size(text);
        const auto piece = size == 0 ? replacement : text.substr(0, size);
        if (clean.size() + piece.size() > size_max) {
            clean.resize(fits);
            return clean.append(mark);
        }
        clean += piece;
        if (clean.size() + mark.size() <= size_max) fits = clean.size();
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return clean;
}

std::optional<progress> parse_progress(std::string_view line) {
    if (!line.starts_with(progress_word)) return std::nullopt;
    line.remove_prefix(progress_word.size());
    double fraction = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), fraction);
    if (error != std::errc{} || !(fraction >= 0 && fraction <= 1)) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (!line.empty() && line.front() != ' ') return std::nullopt;
    if (!line.empty()) line.remove_prefix(1);
    return progress{fraction, clean_text(line, limits::progress_text_size_max)};
}

std::optional<std::string> parse_checkpoint(std::string_view line) {
    if (!line.starts_with(checkpoint_word) || line.size() > limits::log_line_size_max) return std::nullopt;
    line.remove_prefix(checkpoint_word.size());
    return line.empty() ? std::nullopt : std::optional{std::string{line}};
}

void attempt_log::write(std::string_view bytes, instant at) {
    interval_bytes_ += bytes.size();
    while (!bytes.empty()) {
        const auto newline = bytes.find('\n');
        const auto piece = bytes.substr(0, newline);
        const auto room = limits::log_line_size_max + 1 - partial_.size();
        partial_ += piece.substr(0, room);
        if (newline == std::string_view::npos) return;
        end_line(at);
        bytes.remove_prefix(newline + 1);
    }
}

void attempt_log::close(instant at) {
    if (!partial_.empty()) end_line(at);
}

void attempt_log::end_line(instant at) {
    ++interval_lines_;
    if (!partial_.empty() && partial_.back() == '\r') partial_.pop_back();
    if (auto reported = parse_progress(partial_)) {
        progress_ = std::move(reported);
    } else if (auto saved = parse_checkpoint(partial_)) {
        checkpoint_ = std::move(*saved);
    } else {
        auto text = clean_text(partial_, limits::log_line_size_max, cut_mark);
        if (!text.empty()) last_line_ = clean_text(text, limits::exec_last_line_size_max, cut_mark);
        append(std::move(text), at);
    }
    partial_.clear();
}

void attempt_log::append(std::string text, instant at) {
    lines_bytes_ += text.size();
    lines_.push_back({next_sequence_++, at, log_stream::err, std::move(text)});
    while (lines_.size() > limits::log_lines_per_attempt_max || lines_bytes_ > limits::exec_log_buffer_size_max)
        drop_oldest();
}

void attempt_log::drop_oldest() {
    lines_bytes_ -= lines_.front().text.size();
    dropped_at_ = lines_.front().at;
    lines_.pop_front();
    ++dropped_;
}

bool attempt_log::full() const {
    return lines_bytes_ >= limits::exec_log_flush_size || lines_.size() >= limits::log_lines_per_attempt_max;
}

bool attempt_log::saturated() const {
    return interval_bytes_ >= limits::exec_log_read_size_per_interval ||
           interval_lines_ >= limits::exec_log_read_lines_per_interval;
}

void attempt_log::take(attempt_report& report) {
    report.logs.reserve(lines_.size() + 1);
    if (dropped_ > 0) {
        const auto first_kept = lines_.empty() ? next_sequence_ : lines_.front().sequence;
        report.logs.push_back(
            {first_kept - 1, dropped_at_, log_stream::system,
             std::to_string(dropped_) + " lines dropped here: written faster than they are kept"});
    }
    for (auto& line : lines_) report.logs.push_back(std::move(line));
    report.latest_progress = std::exchange(progress_, std::nullopt);
    report.checkpoint = std::exchange(checkpoint_, {});
    lines_.clear();
    lines_bytes_ = 0;
    dropped_ = 0;
}

} // namespace coppice::executors
