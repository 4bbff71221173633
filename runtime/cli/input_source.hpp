// Bytes from a file, a pipe or a terminal, without ever holding up the event loop for one that is slow.
//
// A pipe, socket or terminal is asked (poll) before it is read; the descriptor is never made non-blocking, because
// the flag would be the shell's too. A file is read as it is: its disk answers.
#pragma once

#include <kj/async-unix.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/executors/unique_fd.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

class input_source {
  public:
    // "-" is stdin, which stays open. not_found, or invalid_argument when it cannot be read.
    static expected<std::unique_ptr<input_source>> open(const std::string& path, kj::UnixEventPort& port);

    // What is there, at most 64 KiB, valid until the next call; empty at the end. Nothing: not now, wait
    // `readable`.
    expected<std::optional<std::string_view>> read_now();
    kj::Promise<void> readable();
    const std::string& name() const { return name_; }

  private:
    input_source(std::string name, executors::unique_fd owned, int fd, kj::UnixEventPort& port, bool may_wait);

    std::string name_;
    executors::unique_fd owned_;
    int fd_;
    std::optional<kj::UnixEventPort::FdObserver> observer_;
    std::array<char, 64 * 1024> buffer_;
};

// The whole of a file or of stdin ("-"), blocking. payload_too_large beyond `size_max`.
expected<std::string> read_whole(const std::string& path, std::size_t size_max);

// A payload as a flag gives it: its JSON, or @FILE, or - for stdin.
expected<std::string> read_payload(const std::string& flag);

} // namespace coppice::cli
