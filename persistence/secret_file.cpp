#include "persistence/secret_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/descriptor.hpp"

namespace coppice {
namespace {

expected<void> write_durably(const descriptor& file, const std::string& path, std::string_view text) {
    if (!write_whole(file.get(), text) || ::fsync(file.get()) != 0) return file_error(path, "cannot write");
    return {};
}

// Written beside its place first, then `publish(draft, path)` puts it there: a crash leaves no half of a file.
expected<void> publish_file(const std::string& path, std::string_view text,
                            int (*publish)(const char* draft, const char* path)) {
    const std::filesystem::path place{path};
    const std::string directory = place.has_parent_path() ? place.parent_path().string() : ".";
    std::string draft = directory + "/." + place.filename().string() + ".XXXXXX";
    const descriptor file{::mkostemp(draft.data(), O_CLOEXEC)}; // mode 0600
    if (file.get() < 0) return file_error(path, "cannot create");
    auto done = write_durably(file, path, text);
    if (done && publish(draft.c_str(), path.c_str()) != 0) done = file_error(path, "cannot create");
    ::unlink(draft.c_str());
    const descriptor parent{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (done && (parent.get() < 0 || ::fsync(parent.get()) != 0)) done = file_error(directory, "cannot write");
    return done;
}

} // namespace

wiped_text::~wiped_text() { ::explicit_bzero(text.data(), text.size()); }

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

expected<void> create_secret_file(const std::string& path, std::string_view text) {
    return publish_file(path, text, ::link); // which refuses a name that is there already
}

expected<void> replace_secret_file(const std::string& path, std::string_view text) {
    return publish_file(path, text, ::rename);
}

} // namespace coppice
