// The stderr of one attempt, on its way to log lines and progress.
//
// Intuition: a funnel with a fixed neck. However much a program writes, what is held here is bounded in lines and
// bytes: the oldest lines give way, as they would in the store, which keeps only the last
// limits::log_lines_per_attempt_max anyway. Lines that gave way keep their numbers, and a `system` line that bears
// the last of those numbers says how many they were.
//
// Invariants: sequence numbers start at 0 and only grow; every line is valid UTF-8 of at most
// limits::log_line_size_max bytes, the cut mark included. No I/O, no clock. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "actors/jobs/attempt.hpp"

namespace coppice::executors {

// "::progress 0.42 some text" -> {0.42, "some text"}. Anything else, a fraction outside 0..1 too, is no progress.
std::optional<progress> parse_progress(std::string_view line);

// `text` with every byte that is no part of valid UTF-8 (RFC 3629) replaced by U+FFFD, cut to `size_max` bytes, at
// a character's boundary; `mark` ends it when it was cut, within `size_max`. `size_max` is at least the mark's
// size.
std::string clean_text(std::string_view text, std::size_t size_max, std::string_view mark = {});

// "::checkpoint some text" -> "some text". Nothing when it is none, when the text is empty, or when it was too long
// for a line: half of a checkpoint is none.
std::optional<std::string> parse_checkpoint(std::string_view line);

class attempt_log {
  public:
    // Bytes as they came from the pipe, at whatever boundaries.
    void write(std::string_view bytes, instant at);
    // The end of the stream: a last line without newline becomes one.
    void close(instant at);

    bool empty() const { return lines_.empty() && !progress_ && checkpoint_.empty(); }
    // Enough to report before the interval is over.
    bool full() const;
    // More was read in this interval than a program may write; read no further until the next one.
    bool saturated() const;
    void begin_interval() { interval_bytes_ = interval_lines_ = 0; }

    // Moves the lines, the latest progress and the latest checkpoint to the report.
    void take(attempt_report& report);

    // The last line that was neither progress nor checkpoint, for a failure's detail; at most
    // limits::exec_last_line_size_max bytes.
    const std::string& last_line() const { return last_line_; }

  private:
    void end_line(instant at);
    void append(std::string text, instant at);
    void drop_oldest();

    std::string partial_; // the line being read, at most limits::log_line_size_max + 1 raw bytes of it
    std::deque<log_line> lines_;
    std::size_t lines_bytes_ = 0;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t dropped_ = 0; // since the last report
    instant dropped_at_ = never;
    std::optional<progress> progress_;
    std::string checkpoint_;
    std::string last_line_;
    std::size_t interval_bytes_ = 0;
    std::size_t interval_lines_ = 0;
};

} // namespace coppice::executors
