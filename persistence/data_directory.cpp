#include "persistence/data_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace coppice {
namespace {

tl::unexpected<failure> refused(const std::filesystem::path& path, std::string_view what, int error) {
    const errc code = error == ENOSPC || error == EDQUOT ? errc::storage_full : errc::invalid_argument;
    return fail(code, std::string(what) + " " + path.string() + ": " + std::strerror(error));
}

// Digits only, whatever is in the file: it goes into a message.
std::string holder_of(int lock) {
    std::array<char, 20> text{};
    const ssize_t size = ::pread(lock, text.data(), text.size(), 0);
    std::string digits;
    for (ssize_t i = 0;
         i < size && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9'; ++i)
        digits += text[static_cast<std::size_t>(i)];
    return digits.empty() ? "unknown" : digits;
}

bool write_pid(int lock) {
    const std::string text = std::to_string(::getpid()) + "\n";
    return ::ftruncate(lock, 0) == 0 &&
           ::pwrite(lock, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

} // namespace

expected<data_directory> data_directory::open(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return refused(path, "cannot make", errno);
    const std::filesystem::path file = path / "lock";
    const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return refused(file, "cannot open", errno);
    data_directory made{path, lock};
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        if (error != EWOULDBLOCK) return refused(file, "cannot lock", error);
        return fail(errc::data_directory_locked, path.string() + " is held by process " + holder_of(lock) +
                                                     "; stop it, or use another directory");
    }
    if (!write_pid(lock)) return refused(file, "cannot write", errno);
    return made;
}

data_directory::data_directory(data_directory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

data_directory& data_directory::operator=(data_directory&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
}

data_directory::~data_directory() {
    if (lock_ >= 0) ::close(lock_);
}

} // namespace coppice
