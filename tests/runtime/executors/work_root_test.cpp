#include "runtime/executors/work_root.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/runtime/executors/exec_fixture.hpp"

namespace coppice::executors {

namespace {

namespace fs = std::filesystem;
using exec_tests::temporary_directory;

attempt_ref ref(std::uint64_t number) { return {job_id::make(1, shard_id{1}, tenant_id{1}, number), 1}; }

void touch(const fs::path& path) { std::ofstream(path) << "x"; }

bool clean_all(work_root& root) {
    for (int i = 0; i < 100'000; ++i)
        if (root.bin().clean(50) == trash_bin::cleaning::idle) return true;
    return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(work_roots)

BOOST_AUTO_TEST_CASE(a_wide_and_a_deep_tree_go_in_small_steps) {
    temporary_directory top;
    auto root = work_root::open(top.path() + "/work");
    BOOST_REQUIRE(root.has_value());
    const fs::path directory = *root->make(ref(1));
    for (int i = 0; i < 300; ++i) {
        fs::create_directories(directory / ("wide" + std::to_string(i)));
        touch(directory / ("wide" + std::to_string(i)) / "file");
    }
    // Deeper than PATH_MAX could name.
    int at = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::string name(200, 'd');
    for (int i = 0; i < 100; ++i) {
        BOOST_REQUIRE(::mkdirat(at, name.c_str(), 0700) == 0);
        const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ::close(at);
        at = below;
    }
    ::close(at);
    root->discard(ref(1));
    BOOST_TEST(!fs::exists(directory));
    BOOST_TEST((root->bin().clean(50) == trash_bin::cleaning::more));
    BOOST_TEST(clean_all(*root));
    BOOST_TEST(fs::is_empty(root->path()));
}

BOOST_AUTO_TEST_CASE(removal_never_follows_a_symlink) {
    temporary_directory top;
    const fs::path outside = fs::path(top.path()) / "outside";
    fs::create_directories(outside / "inner");
    touch(outside / "kept");
    auto root = work_root::open(top.path() + "/work");
    BOOST_REQUIRE(root.has_value());
    const fs::path directory = *root->make(ref(1));
    fs::create_directory_symlink(outside, directory / "link");
    fs::create_symlink(outside / "kept", directory / "file_link");
    fs::create_directories(directory / "sub");
    fs::create_directory_symlink("/", directory / "sub" / "everything");
    root->discard(ref(1));
    BOOST_TEST(clean_all(*root));
    BOOST_TEST(fs::is_empty(root->path()));
    BOOST_TEST(fs::exists(outside / "kept"));
    BOOST_TEST(fs::exists(outside / "inner"));
}

BOOST_AUTO_TEST_CASE(directories_without_permissions_and_odd_files_go_too) {
    temporary_directory top;
    auto root = work_root::open(top.path() + "/work");
    BOOST_REQUIRE(root.has_value());
    const fs::path directory = *root->make(ref(1));
    fs::create_directories(directory / "closed" / "inner");
    touch(directory / "closed" / "inner" / "file");
    BOOST_REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    ::chmod((directory / "closed" / "inner").c_str(), 0);
    ::chmod((directory / "closed").c_str(), 0);
    root->discard(ref(1));
    BOOST_TEST(clean_all(*root));
    BOOST_TEST(fs::is_empty(root->path()));
}

BOOST_AUTO_TEST_CASE(leftovers_of_an_earlier_life_go_and_foreign_files_stay) {
    temporary_directory top;
    const fs::path work = fs::path(top.path()) / "work";
    {
        auto earlier = work_root::open(work);
        BOOST_REQUIRE(earlier.has_value());
        touch(fs::path(*earlier->make(ref(1))) / "left");
        BOOST_REQUIRE(earlier->make(ref(2)).has_value());
        touch(fs::path(*earlier->make(ref(3))) / "half");
        earlier->discard(ref(3));
    }
    fs::create_directories(work / "not_ours");
    auto root = work_root::open(work);
    BOOST_REQUIRE(root.has_value());
    BOOST_TEST(clean_all(*root));
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(work)) names.insert(entry.path().filename());
    BOOST_TEST((names == std::set<std::string>{"not_ours"}));
}

BOOST_AUTO_TEST_CASE(more_directories_than_the_queue_holds_are_found_again) {
    temporary_directory top;
    auto root = work_root::open(top.path() + "/work");
    BOOST_REQUIRE(root.has_value());
    const fs::path directory = *root->make(ref(1));
    for (std::size_t i = 0; i < limits::exec_remove_queue_max + 200; ++i) {
        fs::create_directory(directory / std::to_string(i));
        touch(directory / std::to_string(i) / "file");
    }
    root->discard(ref(1));
    BOOST_TEST(clean_all(*root));
    BOOST_TEST(fs::is_empty(root->path()));
}

BOOST_AUTO_TEST_CASE(one_process_at_a_time_holds_a_root) {
    temporary_directory top;
    auto first = work_root::open(top.path());
    BOOST_REQUIRE(first.has_value());
    const auto second = work_root::open(top.path());
    BOOST_REQUIRE(!second.has_value());
    BOOST_TEST((second.error().code == errc::data_directory_locked));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::executors
