#include "runtime/executors/work_root.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <system_error>

namespace coppice::executors {

namespace {

constexpr std::string_view attempt_prefix = "attempt-";

std::string reason(int error) { return std::generic_category().message(error); }

std::string directory_name(const attempt_ref& ref) {
    return std::string(attempt_prefix) + to_string(ref.job) + "-" + std::to_string(ref.attempt);
}

} // namespace

work_root::work_root(unique_fd root, std::string path)
    : root_(std::move(root)), path_(std::move(path)), bin_(std::make_unique<trash_bin>(root_.get())) {}

expected<work_root> work_root::open(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errc::unavailable, "cannot make the directory " + path + ": " + reason(errno));
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (!real) return fail(errc::unavailable, "cannot find the directory " + path + ": " + reason(errno));
    unique_fd root(::open(real.get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return fail(errc::unavailable, "cannot open the directory " + path + ": " + reason(errno));
    if (::flock(root.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(errc::data_directory_locked, path + " (work directories of exec jobs): " + reason(errno));
    work_root opened(std::move(root), real.get());
    opened.bin_->adopt(attempt_prefix);
    return opened;
}

expected<std::string> work_root::make(const attempt_ref& ref) {
    const auto name = directory_name(ref);
    if (::mkdirat(root_.get(), name.c_str(), 0700) != 0) {
        const bool in_the_way = errno == EEXIST && bin_->throw_in(root_.get(), name.c_str());
        if (!in_the_way || ::mkdirat(root_.get(), name.c_str(), 0700) != 0)
            return fail(errc::exec_failed,
                        "cannot make the directory " + path_ + "/" + name + ": " + reason(errno));
    }
    return path_ + "/" + name;
}

expected<std::string> work_root::write_file(const attempt_ref& ref, const char* name, std::string_view content) {
    const auto relative = directory_name(ref) + "/" + name;
    unique_fd file(
        ::openat(root_.get(), relative.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    bool written = static_cast<bool>(file);
    while (written && !content.empty()) {
        const auto size = ::write(file.get(), content.data(), content.size());
        written = size > 0 || (size < 0 && errno == EINTR);
        if (size > 0) content.remove_prefix(static_cast<std::size_t>(size));
    }
    if (!written) return fail(errc::exec_failed, "cannot write " + path_ + "/" + relative + ": " + reason(errno));
    return path_ + "/" + relative;
}

void work_root::discard(const attempt_ref& ref) {
    bin_->throw_in(root_.get(), directory_name(ref).c_str());
    bin_->slow_down();
}

} // namespace coppice::executors
