// An open file, closed when its owner goes: what every early return needs.
#pragma once

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

} // namespace coppice
