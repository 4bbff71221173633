#include "runtime/results/directory_objects.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "persistence/descriptor.hpp"

namespace coppice {
namespace {

namespace fs = std::filesystem;

constexpr mode_t only_ours = 0600;

tl::unexpected<failure> trouble(const std::string& what, const fs::path& path, int error) {
    return fail(errc::unavailable,
                "cannot " + what + " " + path.string() + ": " + std::generic_category().message(error));
}

expected<void> sync_directory(const fs::path& path) {
    const descriptor fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) return trouble("sync", path, errno);
    return {};
}

// Those that are made are synced into the ones above them.
expected<void> make_directories(const fs::path& root, const fs::path& below) {
    fs::path path = root;
    for (const fs::path& part : below) {
        const fs::path parent = path;
        path /= part;
        if (::mkdir(path.c_str(), 0700) == 0) {
            if (auto synced = sync_directory(parent); !synced) return synced;
        } else if (errno != EEXIST) {
            return trouble("make", path, errno);
        }
    }
    return {};
}

expected<void> put_file(const fs::path& root, const std::string& name, std::string_view bytes) {
    std::string incoming = (root / "incoming" / "XXXXXX").string();
    const fs::path target = root / name;
    if (auto made = make_directories(root, fs::path{name}.parent_path()); !made) return made;
    const descriptor fd{::mkostemp(incoming.data(), O_CLOEXEC)};
    if (fd.get() < 0) return trouble("make a file in", root / "incoming", errno);
    expected<void> written;
    if (!write_whole(fd.get(), bytes) || ::fdatasync(fd.get()) != 0)
        written = trouble("write", incoming, errno);
    else if (::rename(incoming.c_str(), target.c_str()) != 0)
        written = trouble("rename to", target, errno);
    if (!written) {
        ::unlink(incoming.c_str());
        return written;
    }
    return sync_directory(target.parent_path());
}

expected<std::string> get_file(const fs::path& path, std::size_t size_max) {
    const descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (fd.get() < 0 && errno == ENOENT) return fail(errc::not_found, "no file " + path.string());
    struct stat about {};
    if (fd.get() < 0 || ::fstat(fd.get(), &about) != 0) return trouble("open", path, errno);
    if (!S_ISREG(about.st_mode)) return fail(errc::unavailable, path.string() + " is no file");
    if (static_cast<std::uint64_t>(about.st_size) > size_max)
        return fail(errc::result_too_large,
                    path.string() + " has more than " + std::to_string(size_max) + " bytes");
    std::string bytes(static_cast<std::size_t>(about.st_size), '\0');
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t size = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return trouble("read", path, errno);
        if (size == 0) return fail(errc::unavailable, path.string() + " became shorter while it was read");
        at += static_cast<std::size_t>(size);
    }
    return bytes;
}

expected<void> remove_file(const fs::path& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return trouble("remove", path, errno);
    return {}; // an empty directory stays: the next put would make it again
}

// Goes through the tree in order of names, from beyond `after` on. A directory whose names are all before it is
// not opened.
class walk {
  public:
    walk(fs::path root, std::string after) : root_(std::move(root)), after_(std::move(after)) {}

    expected<object_store::page> run() {
        if (auto walked = into(""); !walked) return tl::unexpected(walked.error());
        return std::move(found_);
    }

  private:
    expected<void> into(const std::string& below) {
        std::vector<std::string> names;
        const fs::path path = root_ / below;
        const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(path.c_str()), &::closedir};
        if (!open && errno == ENOENT) return {}; // removed meanwhile
        if (!open) return trouble("read", path, errno);
        while (const dirent* each = ::readdir(open.get())) { // NOLINT(concurrency-mt-unsafe): the stream is ours
            const std::string name = each->d_name;
            if (is_object_name(name) && !(below.empty() && name == "incoming")) names.push_back(name);
        }
        std::ranges::sort(names);
        for (const std::string& name : names) {
            const std::string whole = below.empty() ? name : below + "/" + name;
            if (whole <= after_ && !after_.starts_with(whole + "/")) continue;
            if (found_.more) return {};
            if (auto seen = see(whole); !seen) return seen;
        }
        return {};
    }
    expected<void> see(const std::string& name) {
        struct stat about {};
        if (::lstat((root_ / name).c_str(), &about) != 0) return {}; // removed meanwhile
        if (S_ISDIR(about.st_mode)) return into(name);
        if (!S_ISREG(about.st_mode) || name <= after_) return {};
        if (found_.entries.size() == object_store::per_page) {
            found_.more = true;
            return {};
        }
        found_.entries.push_back({name, instant{std::chrono::seconds{about.st_mtim.tv_sec}}});
        return {};
    }

    const fs::path root_;
    const std::string after_;
    object_store::page found_;
};

} // namespace

expected<std::unique_ptr<directory_objects>> directory_objects::open(const fs::path& root) {
    std::error_code error;
    fs::create_directories(root, error);
    if (error) return fail(errc::unavailable, "cannot make " + root.string() + ": " + error.message());
    if (auto made = make_directories(root, "incoming"); !made) return tl::unexpected(made.error());
    for (const auto& left : fs::directory_iterator(root / "incoming", error)) ::unlink(left.path().c_str());
    if (::access((root / "incoming").c_str(), W_OK) != 0) return trouble("write to", root / "incoming", errno);
    return std::unique_ptr<directory_objects>(new directory_objects(root));
}

directory_objects::directory_objects(fs::path root) : root_(std::move(root)), thread_([this] { run(); }) {}

directory_objects::~directory_objects() {
    silent_ = true;
    {
        const std::lock_guard guard{mutex_};
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void directory_objects::run() {
    std::unique_lock lock{mutex_};
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const auto task = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        task();
        lock.lock();
    }
}

void directory_objects::post(std::function<void()> task) {
    {
        const std::lock_guard guard{mutex_};
        waiting_.push_back(std::move(task));
    }
    wake_.notify_one();
}

void directory_objects::put(std::string name, std::string bytes, done then) {
    post([this, name = std::move(name), bytes = std::move(bytes), then = std::move(then)] {
        auto result = is_object_name(name) ? put_file(root_, name, bytes)
                                           : expected<void>{fail(errc::invalid_argument, "no name: " + name)};
        if (!silent_) then(std::move(result));
    });
}

void directory_objects::get(std::string name, std::size_t size_max, got then) {
    post([this, name = std::move(name), size_max, then = std::move(then)] {
        if (silent_) return;
        then(is_object_name(name) ? get_file(root_ / name, size_max)
                                  : expected<std::string>{fail(errc::not_found, "no name: " + name)});
    });
}

void directory_objects::remove(std::string name, done then) {
    post([this, name = std::move(name), then = std::move(then)] {
        auto result = is_object_name(name) ? remove_file(root_ / name) : expected<void>{};
        if (!silent_) then(std::move(result));
    });
}

void directory_objects::list(std::string after, listed then) {
    post([this, after = std::move(after), then = std::move(then)] {
        if (!silent_) then(walk{root_, after}.run());
    });
}

} // namespace coppice
