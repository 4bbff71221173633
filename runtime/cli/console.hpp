// The two ends of the command line: stdout for what was asked for, stderr for people.
//
// Invariants: a closed stdout (`coppice job list | head`) is no error to speak of: what is printed after it is
// dropped, and `out_closed` tells loops to end. A full disk behind stdout is one, and `finish` says so. The status
// line (progress on a terminal) is taken away before anything else is written and never mixes with it.
//
// Thread: one. Writes block.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace coppice::cli {

class console {
  public:
    // The descriptors stay the caller's. SIGPIPE must be ignored.
    explicit console(int out_fd = STDOUT_FILENO, int err_fd = STDERR_FILENO);
    ~console();
    console(const console&) = delete;
    console& operator=(const console&) = delete;

    // To stdout, as it is; buffered until `flush`.
    void print(std::string_view text);
    void flush();
    bool out_closed() const { return out_error_ != 0; }

    // A line to stderr, after what was printed; the newline is added.
    void say(std::string_view line);
    // Replaces the status line; on a terminal only.
    void show_status(std::string_view line);
    void clear_status();

    bool out_is_terminal() const { return out_is_terminal_; }
    bool err_is_terminal() const { return err_is_terminal_; }
    // In cells; 0 when stdout is not a terminal: as wide as it gets.
    std::size_t out_width() const;
    std::size_t err_width() const;

    // Flushes. False when stdout could not take everything for another reason than that its reader went away; then
    // it has been said.
    bool finish();

  private:
    int out_fd_;
    int err_fd_;
    bool out_is_terminal_;
    bool err_is_terminal_;
    bool status_shown_ = false;
    int out_error_ = 0;
    std::string buffer_;
};

} // namespace coppice::cli
