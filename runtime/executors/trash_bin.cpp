#include "runtime/executors/trash_bin.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice::executors {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view trash_prefix = "trash-";
constexpr std::string_view stuck_prefix = "stuck-";
constexpr std::size_t failures_max = 64; // in one directory and step; it is then tried again later, not at once
constexpr auto again_after = 100ms;      // for what somebody who is dying may still write in
constexpr auto slow_down_max = 50ms;
constexpr auto last_cleaning_max = 1s;

struct close_directory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using directory_stream = std::unique_ptr<DIR, close_directory>;

// A stream of its own over an open directory, from its beginning.
directory_stream read_directory(int directory) {
    unique_fd copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!copy) return nullptr;
    directory_stream stream(::fdopendir(copy.get()));
    if (stream) copy.release();
    return stream;
}

bool is_dots(std::string_view name) { return name == "." || name == ".."; }

bool is_directory(int parent, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat status {};
    return ::fstatat(parent, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

unique_fd open_directory(int parent, const char* name) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    unique_fd opened(::openat(parent, name, flags));
    if (!opened && errno == EACCES && ::fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        opened.reset(::openat(parent, name, flags));
    return opened;
}

} // namespace

trash_bin::trash_bin(int root)
    : root_(::fcntl(root, F_DUPFD_CLOEXEC, 3)), generation_(std::to_string(to_us(wall_clock_now()))) {}

trash_bin::~trash_bin() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (cleaner_.joinable()) cleaner_.join();
}

bool trash_bin::throw_in(int directory, const char* name) {
    std::unique_lock lock(mutex_);
    auto target = std::string(trash_prefix) + generation_ + "-" + std::to_string(named_++);
    lock.unlock();
    if (::renameat(directory, name, root_.get(), target.c_str()) != 0) return false;
    lock.lock();
    ++backlog_;
    queue({std::move(target)});
    changed_.notify_all();
    return true;
}

// With the mutex held.
void trash_bin::queue(trash one) {
    if (trash_.size() < limits::exec_remove_queue_max)
        trash_.push_back(std::move(one));
    else
        unlisted_ = true;
}

void trash_bin::adopt(std::string_view prefix) {
    const auto stream = read_directory(root_.get());
    while (const dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name.starts_with(prefix) || name.starts_with(stuck_prefix)) throw_in(root_.get(), entry->d_name);
    }
    list();
}

// What is listed may be in the queue already: the second try then finds nothing.
void trash_bin::list() {
    const auto stream = read_directory(root_.get());
    const std::lock_guard lock(mutex_);
    unlisted_ = false;
    while (const dirent* entry = stream ? ::readdir(stream.get()) : nullptr)
        if (std::string_view(entry->d_name).starts_with(trash_prefix)) queue({entry->d_name});
}

void trash_bin::slow_down() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, slow_down_max, [&] { return backlog_ < limits::exec_remove_backlog_max; });
}

bool trash_bin::clean_from_now_on() {
    try {
        cleaner_ = std::thread([this] { keep_clean(); });
    } catch (const std::system_error&) {
        return false;
    }
    return true;
}

void trash_bin::keep_clean() {
    auto state = cleaning::more;
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (state == cleaning::stalled) changed_.wait_for(lock, again_after, [&] { return stopping_; });
        if (state == cleaning::idle) changed_.wait(lock, [&] { return stopping_ || !trash_.empty() || unlisted_; });
        lock.unlock();
        state = clean(limits::exec_remove_step);
        lock.lock();
    }
    lock.unlock();
    const auto deadline = std::chrono::steady_clock::now() + last_cleaning_max;
    while (state != cleaning::idle && std::chrono::steady_clock::now() < deadline) {
        if (state == cleaning::stalled) std::this_thread::sleep_for(again_after);
        state = clean(limits::exec_remove_step);
    }
}

bool trash_bin::next(trash& one) {
    const std::lock_guard lock(mutex_);
    if (trash_.empty()) return false;
    one = std::move(trash_.front());
    trash_.pop_front();
    return true;
}

void trash_bin::done() {
    const std::lock_guard lock(mutex_);
    if (backlog_ > 0) --backlog_;
    changed_.notify_all();
}

trash_bin::cleaning trash_bin::clean(std::size_t entries_max) {
    trash one;
    for (std::size_t budget = entries_max; budget > 0; --budget) {
        if (!next(one)) {
            const std::lock_guard lock(mutex_);
            if (!unlisted_) return trash_.empty() ? cleaning::idle : cleaning::more;
            break;
        }
        const auto directory = open_directory(root_.get(), one.name.c_str());
        if (directory && !empty_some(directory.get(), budget)) {
            const std::lock_guard lock(mutex_);
            trash_.push_front(std::move(one));
            return cleaning::more;
        }
        if (::unlinkat(root_.get(), one.name.c_str(), AT_REMOVEDIR) == 0) {
            done();
        } else if (errno != ENOENT) {
            // Somebody who is dying still writes in it, or it holds what may not be removed.
            set_aside(one);
            return cleaning::stalled;
        }
    }
    list_more();
    return cleaning::more;
}

void trash_bin::list_more() {
    {
        const std::lock_guard lock(mutex_);
        if (!trash_.empty() || !unlisted_) return;
    }
    list();
}

void trash_bin::set_aside(const trash& one) {
    if (one.tries + 1 < limits::exec_remove_tries_max) {
        const std::lock_guard lock(mutex_);
        return queue({one.name, one.tries + 1});
    }
    const auto stuck = std::string(stuck_prefix) + one.name.substr(trash_prefix.size());
    ::renameat(root_.get(), one.name.c_str(), root_.get(), stuck.c_str());
    done();
}

// True when nothing is left that could be removed, false when the budget is used up.
bool trash_bin::empty_some(int directory, std::size_t& budget) {
    const auto stream = read_directory(directory);
    if (!stream) return true;
    std::size_t failed = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
        if (is_dots(entry->d_name)) continue;
        if (budget <= 1) return false;
        --budget;
        const bool removed = remove_entry(directory, entry->d_name, is_directory(directory, *entry));
        if (!removed && ++failed == failures_max) return true;
    }
    return true;
}

bool trash_bin::remove_entry(int directory, const char* name, bool is_directory) {
    if (!is_directory) return ::unlinkat(directory, name, 0) == 0;
    if (::unlinkat(directory, name, AT_REMOVEDIR) == 0) return true;
    if (throw_in(directory, name)) return true;
    // Moving a directory writes its "..": without the right to, the kernel refuses.
    return ::fchmodat(directory, name, 0700, AT_SYMLINK_NOFOLLOW) == 0 && throw_in(directory, name);
}

} // namespace coppice::executors
