#include "runtime/cli/console.hpp"

#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace coppice::cli {
namespace {

constexpr std::size_t buffer_size = 64 * 1024;

// 0, or the errno that ended it. A descriptor that somebody set to non-blocking is waited for.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n >= 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            pollfd room{fd, POLLOUT, 0};
            ::poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

std::size_t width_of(int fd, bool is_terminal) {
    winsize size{};
    if (!is_terminal) return 0;
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return std::max<std::size_t>(size.ws_col, 20);
}

} // namespace

console::console(int out_fd, int err_fd)
    : out_fd_(out_fd), err_fd_(err_fd), out_is_terminal_(::isatty(out_fd) == 1),
      err_is_terminal_(::isatty(err_fd) == 1) {}

console::~console() {
    flush();
    clear_status();
}

void console::print(std::string_view text) {
    if (out_error_ != 0) return;
    buffer_ += text;
    if (buffer_.size() >= buffer_size) flush();
}

void console::flush() {
    if (buffer_.empty()) return;
    if (out_is_terminal_) clear_status();
    if (out_error_ == 0) out_error_ = write_all(out_fd_, buffer_);
    buffer_.clear();
}

void console::say(std::string_view line) {
    flush();
    clear_status();
    write_all(err_fd_, std::string{line} + '\n');
}

void console::show_status(std::string_view line) {
    if (!err_is_terminal_) return;
    status_shown_ = true;
    write_all(err_fd_, "\r" + std::string{line} + "\x1b[K");
}

void console::clear_status() {
    if (!status_shown_) return;
    status_shown_ = false;
    write_all(err_fd_, "\r\x1b[K");
}

std::size_t console::out_width() const { return width_of(out_fd_, out_is_terminal_); }
std::size_t console::err_width() const { return width_of(err_fd_, err_is_terminal_); }

bool console::finish() {
    flush();
    clear_status();
    if (out_error_ == 0 || out_error_ == EPIPE) return true;
    say(std::string{"coppice: stdout: "} + std::strerror(out_error_));
    return false;
}

} // namespace coppice::cli
