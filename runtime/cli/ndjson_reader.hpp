// Lines out of a stream of bytes: numbered from 1, bounded, whatever is sent.
//
// Intuition: bytes are fed in pieces of any size and lines come out; a line that passes the bound is skipped to its
// end without being kept, and reported. Memory: one line and the piece fed last.
//
// A line ends with LF; one CR before it is not part of it. Lines of blanks only are counted and passed over; a byte
// order mark at the very beginning is dropped. The last line needs no LF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coppice::cli {

struct input_line {
    std::uint64_t number = 0;
    std::string text;
    bool too_long = false; // then `text` is empty
};

class ndjson_reader {
  public:
    explicit ndjson_reader(std::size_t line_size_max);

    void feed(std::string_view bytes);
    // No more bytes will come.
    void end() { ended_ = true; }
    // The next line, or nothing until more is fed.
    std::optional<input_line> next();

  private:
    std::optional<input_line> take(std::size_t size);

    std::size_t line_size_max_;
    std::string held_;
    std::size_t begin_ = 0;   // of the next line in held_
    std::size_t scanned_ = 0; // no LF in [begin_, scanned_)
    std::uint64_t number_ = 0;
    bool skipping_ = false; // inside a line that is too long
    bool ended_ = false;
    bool at_start_ = true;
};

} // namespace coppice::cli
