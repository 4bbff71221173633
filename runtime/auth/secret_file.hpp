// Reading a small file that may hold a secret: bounded, never waiting, told apart by its mode; and text that is
// wiped.
#pragma once

#include <string>
#include <sys/types.h>

#include "schema/errc.hpp"

namespace coppice {

// Text that is wiped when it goes.
struct wiped_text {
    std::string text;
    wiped_text() = default;
    wiped_text(const wiped_text&) = delete;
    wiped_text& operator=(const wiped_text&) = delete;
    ~wiped_text();
};

// Reads the regular file `path` whole and gives its mode. errc::not_found, or invalid_argument for anything else
// that is wrong (larger than `size_max` bytes, a directory, a fifo, no permission); the detail names the file.
expected<mode_t> read_small_file(const std::string& path, std::size_t size_max, std::string& text);

// `errno` as a failure: errc::not_found, already_exists or invalid_argument, "path: doing: reason".
tl::unexpected<failure> file_error(const std::string& path, const std::string& doing);

// An open file descriptor, closed when it goes.
class descriptor {
  public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor();
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

} // namespace coppice
