#include "runtime/cli/input_source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

failure cannot(const std::string& name, int error) {
    const errc code = error == ENOENT ? errc::not_found : errc::invalid_argument;
    return {code, name + ": " + std::strerror(error)};
}

struct opened {
    executors::unique_fd owned;
    int fd = -1;
    std::string name;
    bool may_wait = false; // for a peer or a person
};

expected<opened> open_input(const std::string& path) {
    opened o;
    if (path == "-") {
        o.fd = STDIN_FILENO;
        o.name = "stdin";
    } else {
        o.owned = executors::unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        o.fd = o.owned.get();
        o.name = path;
        if (o.fd < 0) return tl::unexpected(cannot(path, errno));
    }
    struct stat info {};
    if (::fstat(o.fd, &info) != 0) return tl::unexpected(cannot(o.name, errno));
    if (S_ISDIR(info.st_mode)) return tl::unexpected(cannot(o.name, EISDIR));
    o.may_wait = S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || ::isatty(o.fd) == 1;
    return o;
}

ssize_t read_some(int fd, char* to, std::size_t size) {
    for (;;) {
        const ssize_t n = ::read(fd, to, size);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
        if (errno == EAGAIN) {
            pollfd ready{fd, POLLIN, 0};
            ::poll(&ready, 1, -1);
        }
    }
}

} // namespace

input_source::input_source(std::string name, executors::unique_fd owned, int fd, kj::UnixEventPort& port,
                           bool may_wait)
    : name_(std::move(name)), owned_(std::move(owned)), fd_(fd) {
    if (may_wait) observer_.emplace(port, fd, kj::UnixEventPort::FdObserver::OBSERVE_READ);
}

expected<std::unique_ptr<input_source>> input_source::open(const std::string& path, kj::UnixEventPort& port) {
    auto o = open_input(path);
    if (!o) return tl::unexpected(std::move(o.error()));
    return std::unique_ptr<input_source>(
        new input_source(std::move(o->name), std::move(o->owned), o->fd, port, o->may_wait));
}

expected<std::optional<std::string_view>> input_source::read_now() {
    if (observer_) {
        pollfd ready{fd_, POLLIN, 0};
        if (::poll(&ready, 1, 0) <= 0) return std::nullopt;
    }
    const ssize_t n = read_some(fd_, buffer_.data(), buffer_.size());
    if (n < 0) return tl::unexpected(cannot(name_, errno));
    return std::string_view{buffer_.data(), static_cast<std::size_t>(n)};
}

kj::Promise<void> input_source::readable() {
    if (observer_) return observer_->whenBecomesReadable();
    return kj::READY_NOW;
}

expected<std::string> read_whole(const std::string& path, std::size_t size_max) {
    auto o = open_input(path);
    if (!o) return tl::unexpected(std::move(o.error()));
    std::string text;
    std::array<char, 64 * 1024> piece{};
    for (;;) {
        const ssize_t n = read_some(o->fd, piece.data(), piece.size());
        if (n < 0) return tl::unexpected(cannot(o->name, errno));
        if (n == 0) return text;
        text.append(piece.data(), static_cast<std::size_t>(n));
        if (text.size() > size_max)
            return fail(errc::payload_too_large,
                        o->name + " holds more than " + std::to_string(size_max) + " bytes");
    }
}

expected<std::string> read_payload(const std::string& flag) {
    if (flag == "-") return read_whole(flag, limits::payload_size_max);
    if (flag.starts_with('@')) return read_whole(flag.substr(1), limits::payload_size_max);
    return flag;
}

} // namespace coppice::cli
