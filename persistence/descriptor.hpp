// An open file, closed when its owner goes: what every early return needs; and all of a text into one.
#pragma once

#include <cerrno>
#include <string_view>
#include <unistd.h>

namespace coppice {

// Owns `fd`; negative is none, as ::open gives it.
class descriptor {
  public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

// To a file, which is never to be waited for. False: `errno` says why the rest was not written.
inline bool write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

} // namespace coppice
