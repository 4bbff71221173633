// A full map and a full disk: the transaction that meets them fails with storage_full and changes nothing, and the
// next one works once there is room, in the same store.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "persistence/keys.hpp"
#include "persistence/memory_store.hpp"
#include "persistence/storage_room.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

const bytes large_value(16 * 1024, std::byte{1});

row_key numbered(std::uint64_t n) { return row_key{}.u64(n); }

std::uint64_t count_rows(store& s) {
    const auto r = s.begin_read();
    std::uint64_t n = 0;
    for (auto at = r->seek(table::jobs, {}); at; at = r->next(table::jobs)) ++n;
    return n;
}

expected<void> put_rows(store& s, std::uint64_t from, std::uint64_t count) {
    const auto t = s.begin_write();
    for (std::uint64_t i = from; i < from + count; ++i) t->put(table::jobs, numbered(i), large_value);
    return t->commit();
}

// Waits for the condition; it fails the test after ten seconds.
template <class Condition>
void wait_until(Condition&& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
        BOOST_REQUIRE((std::chrono::steady_clock::now() < end));
        std::this_thread::yield();
    }
}

// Puts /dev/full in the place of one of the store's descriptors of its file: every write fails with ENOSPC.
class full_descriptor {
  public:
    full_descriptor(const std::filesystem::path& file, bool synchronous) {
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            const int fd = std::stoi(entry.path().filename());
            const bool same = std::filesystem::read_symlink(entry.path(), gone) == file;
            if (same && ((::fcntl(fd, F_GETFL) & O_DSYNC) != 0) == synchronous) fd_ = fd;
        }
        BOOST_REQUIRE(fd_ >= 0);
        saved_ = ::dup(fd_);
        const int full = ::open("/dev/full", O_RDWR);
        BOOST_REQUIRE(::dup2(full, fd_) == fd_);
        ::close(full);
    }
    full_descriptor(const full_descriptor&) = delete;
    full_descriptor& operator=(const full_descriptor&) = delete;
    ~full_descriptor() { ::close(saved_); }
    // Not after the store opened its file anew: the number is another's then.
    void restore() { BOOST_REQUIRE(::dup2(saved_, fd_) == fd_); }

  private:
    int fd_ = -1;
    int saved_ = -1;
};

// A small disk of its own.
class small_disk {
  public:
    explicit small_disk(const char* size) : options_(std::string("size=") + size) {
        mounted_ = ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, options_.c_str()) == 0;
    }
    small_disk(const small_disk&) = delete;
    small_disk& operator=(const small_disk&) = delete;
    ~small_disk() {
        if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
    }
    bool mounted() const { return mounted_; }
    const std::filesystem::path& path() const { return dir_.path(); }
    // Takes all that is left.
    void fill() {
        std::ofstream out(path() / "filler", std::ios::binary | std::ios::app);
        const std::string page(4096, 'x');
        while (out << page << std::flush) {
        }
    }
    void empty() { std::filesystem::remove(path() / "filler"); }

  private:
    scratch_directory dir_;
    std::string options_;
    bool mounted_ = false;
};

// The process may not write beyond this size of a file: EFBIG, and a short write on the way to it.
class file_size_limit {
  public:
    explicit file_size_limit(rlim_t bytes) {
        before_ = std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit limit{bytes, old_.rlim_max};
        BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, before_);
    }

  private:
    rlimit old_{};
    void (*before_)(int) = SIG_DFL;
};

} // namespace

BOOST_AUTO_TEST_SUITE(full)

BOOST_AUTO_TEST_CASE(a_full_map_fails_the_transaction_alone_and_room_ends_before_it) {
    const scratch_directory dir;
    const std::unique_ptr<store> s = open_or_fail(options_for(dir.path(), 2 * 1024 * 1024));
    std::uint64_t rows = 0;
    BOOST_TEST(s->has_room());
    while (s->has_room()) {
        BOOST_REQUIRE(put_rows(*s, rows, 1).has_value());
        ++rows;
    }
    const std::uint64_t at_line = rows;
    expected<void> put = put_rows(*s, rows, 1);
    for (; put; put = put_rows(*s, rows, 1)) ++rows;
    BOOST_TEST(rows > at_line); // the reserve can be used, by what must still be recorded
    BOOST_TEST((put.error().code == errc::storage_full));
    BOOST_TEST(count_rows(*s) == rows);
    BOOST_TEST(!s->has_room());

    {
        const auto t = s->begin_write();
        for (int i = 0; i < 500; ++i)
            t->put(table::jobs, numbered(1'000'000), large_value),
                t->reserve(table::jobs, numbered(2'000'000 + i), 9000);
        BOOST_TEST((t->status() == errc::storage_full));
        BOOST_TEST(t->reserve(table::jobs, numbered(1), 10).empty());
        BOOST_TEST(!t->get(table::jobs, numbered(0)).has_value());
        BOOST_TEST(!t->seek(table::jobs, {}).has_value());
        BOOST_TEST(!t->erase(table::jobs, numbered(0)));
        const expected<void> refused = t->commit();
        BOOST_REQUIRE(!refused.has_value());
        BOOST_TEST((refused.error().code == errc::storage_full));
    }
    BOOST_TEST(count_rows(*s) == rows);
    // LMDB uses pages again from the second commit after the one that freed them.
    for (const std::uint64_t first : {std::uint64_t{0}, rows / 2}) {
        const auto t = s->begin_write();
        for (std::uint64_t i = first; i < first + rows / 2 - 1; ++i)
            BOOST_REQUIRE(t->erase(table::jobs, numbered(i)));
        BOOST_REQUIRE(t->commit().has_value());
    }
    wait_until([&] { return s->has_room(); });
    BOOST_TEST(put_rows(*s, 0, 1).has_value());
    const store_stats stats = s->stats();
    BOOST_TEST(stats.free_bytes > 0U);
    BOOST_TEST(stats.used_bytes + stats.free_bytes <= stats.map_bytes);
}

BOOST_AUTO_TEST_CASE(a_commit_that_cannot_write_its_pages_changes_nothing_and_the_next_one_works) {
    const scratch_directory dir;
    const std::unique_ptr<store> s = open_or_fail(options_for(dir.path()));
    BOOST_REQUIRE(put_rows(*s, 0, 10).has_value());
    const auto reader = s->begin_read();
    {
        full_descriptor full(dir.path() / "store.mdb", false);
        for (int i = 0; i < 3; ++i) {
            const expected<void> refused = put_rows(*s, 10, 40);
            BOOST_REQUIRE(!refused.has_value());
            BOOST_TEST((refused.error().code == errc::storage_full));
            BOOST_TEST(!s->has_room());
        }
        BOOST_TEST(count_rows(*s) == 10U);
        full.restore();
    }
    BOOST_TEST(put_rows(*s, 10, 40).has_value());
    BOOST_TEST(s->has_room());
    BOOST_TEST(count_rows(*s) == 50U);
    BOOST_TEST(reader->get(table::jobs, numbered(9)).has_value());
    BOOST_TEST(!reader->get(table::jobs, numbered(10)).has_value());
}

BOOST_AUTO_TEST_CASE(a_commit_that_cannot_write_its_meta_page_changes_nothing_and_the_store_opens_its_file_anew) {
    const scratch_directory dir;
    const std::unique_ptr<store> s = open_or_fail(options_for(dir.path()));
    for (int round = 0; round < 4; ++round) { // both meta pages, twice
        const auto rows = static_cast<std::uint64_t>(round) * 10;
        BOOST_REQUIRE(put_rows(*s, rows, 10).has_value());
        if (round % 2 == 1) BOOST_REQUIRE(put_rows(*s, 0, 1).has_value());
        const full_descriptor full(dir.path() / "store.mdb", true);
        const expected<void> refused = put_rows(*s, rows + 10, 10);
        BOOST_REQUIRE(!refused.has_value());
        BOOST_TEST((refused.error().code == errc::storage_full));
        BOOST_TEST(count_rows(*s) == rows + 10);
    }
    BOOST_TEST(put_rows(*s, 40, 1).has_value());
    BOOST_TEST(count_rows(*s) == 41U);
}

BOOST_AUTO_TEST_CASE(the_file_is_opened_anew_only_when_the_last_reader_has_ended) {
    const scratch_directory dir;
    const std::unique_ptr<store> s = open_or_fail(options_for(dir.path()));
    BOOST_REQUIRE(put_rows(*s, 0, 10).has_value());
    auto reader = s->begin_read();
    std::atomic<bool> go = false;
    std::atomic<bool> reader_saw_its_row = false;
    std::atomic<std::uint64_t> rows_after = 0;
    // Ends its reader while the commit below waits for it, then needs a new one, which waits for the reopening.
    std::jthread other([&] {
        go.wait(false);
        reader_saw_its_row = reader->get(table::jobs, numbered(3)).has_value();
        reader.reset();
        rows_after = count_rows(*s);
    });
    const full_descriptor full(dir.path() / "store.mdb", true);
    go = true;
    go.notify_one();
    BOOST_TEST(!put_rows(*s, 10, 10).has_value());
    other.join();
    BOOST_TEST(reader_saw_its_row);
    BOOST_TEST(rows_after == 10U);
    BOOST_TEST(put_rows(*s, 10, 10).has_value());
    BOOST_TEST(count_rows(*s) == 20U);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_survived_and_work_goes_on_when_it_has_room_again) {
    small_disk disk("8m");
    if (!disk.mounted()) {
        BOOST_TEST_MESSAGE("NO TMPFS COULD BE MOUNTED: the full disk is tried with a file size limit only");
        return;
    }
    std::unique_ptr<store> s = open_or_fail(options_for(disk.path(), 64 * 1024 * 1024));
    std::uint64_t rows = 40;
    BOOST_REQUIRE(put_rows(*s, 0, rows).has_value());
    for (int round = 0; round < 3; ++round) {
        disk.fill();
        const expected<void> refused = put_rows(*s, rows, 60);
        BOOST_REQUIRE(!refused.has_value());
        BOOST_TEST((refused.error().code == errc::storage_full));
        BOOST_TEST(!s->has_room());
        // More readers than a page of LMDB's lock file has slots: its blocks were taken before.
        std::vector<std::unique_ptr<read_transaction>> readers;
        for (int i = 0; i < 200; ++i) readers.push_back(s->begin_read());
        BOOST_TEST(readers.back()->get(table::jobs, numbered(rows - 1)).has_value());
        BOOST_TEST(!readers.back()->get(table::jobs, numbered(rows)).has_value());
        readers.clear();
        disk.empty();
        wait_until([&] { return s->has_room(); });
        BOOST_REQUIRE(put_rows(*s, rows, 60).has_value());
        rows += 60;
    }
    s.reset();
    s = open_or_fail(options_for(disk.path()));
    BOOST_TEST(count_rows(*s) == rows);
}

BOOST_AUTO_TEST_CASE(a_file_size_limit_is_survived_too_and_a_commit_is_tried_again_in_the_end) {
    const scratch_directory dir;
    const std::unique_ptr<store> s = open_or_fail(options_for(dir.path()));
    BOOST_REQUIRE(put_rows(*s, 0, 10).has_value());
    {
        const file_size_limit limit(1024 * 1024);
        const expected<void> refused = put_rows(*s, 10, 200);
        BOOST_REQUIRE(!refused.has_value());
        BOOST_TEST((refused.error().code == errc::storage_full));
        BOOST_TEST(count_rows(*s) == 10U);
    }
    BOOST_TEST(put_rows(*s, 10, 200).has_value());
    BOOST_TEST(count_rows(*s) == 210U);
}

BOOST_AUTO_TEST_CASE(distrust_of_a_disk_costs_few_probes_and_ends) {
    using namespace std::chrono_literals;
    storage_room room(64 * 1024 * 1024);
    const storage_room::time start{};
    int probes = 0;
    const auto full = [&probes] { return ++probes, std::uint64_t{0}; };
    const auto roomy = [] { return std::uint64_t{1} << 40; };
    BOOST_TEST(room.disk_is_trusted(start, full));
    BOOST_TEST(probes == 0);
    room.refused(start);
    for (auto at = start; at < start + limits::storage_distrust_max; at += 1ms)
        BOOST_REQUIRE(!room.disk_is_trusted(at, full));
    BOOST_TEST(probes == limits::storage_distrust_max / limits::storage_probe_interval - 1);
    BOOST_TEST(room.disk_is_trusted(start + limits::storage_distrust_max + limits::storage_probe_interval, full));
    room.refused(start);
    BOOST_TEST(!room.disk_is_trusted(start + 1ms, roomy));
    BOOST_TEST(room.disk_is_trusted(start + limits::storage_probe_interval, roomy));
    room.refused(start);
    room.taken();
    BOOST_TEST(room.disk_is_trusted(start, full));
}

BOOST_AUTO_TEST_CASE(the_memory_twin_fails_as_it_was_told_to) {
    const auto s = make_memory_store({.bytes_max = 100'000, .failing_commits = {2}});
    BOOST_TEST(put_rows(*s, 0, 2).has_value());
    BOOST_TEST((put_rows(*s, 2, 1).error().code == errc::storage_full));
    BOOST_TEST(!s->has_room());
    BOOST_TEST(s->has_room());
    BOOST_TEST(count_rows(*s) == 2U);
    BOOST_TEST(put_rows(*s, 2, 1).has_value());
    BOOST_TEST((put_rows(*s, 3, 10).error().code == errc::storage_full));
    BOOST_TEST(count_rows(*s) == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
