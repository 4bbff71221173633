#include "runtime/auth/secret_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coppice {

wiped_text::~wiped_text() { OPENSSL_cleanse(text.data(), text.size()); }

descriptor::~descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

tl::unexpected<failure> file_error(const std::string& path, const std::string& doing) {
    const int error = errno;
    const errc code = error == ENOENT   ? errc::not_found
                      : error == EEXIST ? errc::already_exists
                                        : errc::invalid_argument;
    return fail(code, path + ": " + doing + ": " + std::strerror(error));
}

expected<mode_t> read_small_file(const std::string& path, std::size_t size_max, std::string& text) {
    // O_NONBLOCK: opening a fifo must not wait for its writer.
    const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return file_error(path, "cannot open");
    if (!S_ISREG(status.st_mode)) return fail(errc::invalid_argument, path + ": not a regular file");
    text.resize(size_max + 1);
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error(path, "cannot read");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > size_max)
        return fail(errc::invalid_argument, path + ": larger than " + std::to_string(size_max) + " bytes");
    text.resize(size);
    return status.st_mode;
}

} // namespace coppice
