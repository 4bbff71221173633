// What a store or a data directory says when it is opened: its format, its damage, its holder.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "persistence/data_directory.hpp"
#include "persistence/keys.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

errc open_code(const lmdb_options& options) {
    const auto opened = open_lmdb_store(options);
    return opened ? errc::ok : opened.error().code;
}

void put_text(tables& t, table where, std::string_view k, std::string_view v) {
    t.put(where, as_bytes_view(k), as_bytes_view(v));
}

expected<void> add_marker(tables& t) {
    put_text(t, table::meta, "marker", "migrated");
    return {};
}

expected<void> give_up(tables&) { return fail(errc::store_damaged, "no way"); }

} // namespace

BOOST_AUTO_TEST_SUITE(opening)

BOOST_AUTO_TEST_CASE(a_newer_format_is_refused_by_both_names_and_an_older_one_needs_a_way) {
    const scratch_directory dir;
    lmdb_options options = options_for(dir.path());
    options.format_version = 3;
    BOOST_TEST((open_code(options) == errc::ok));
    BOOST_TEST((open_code(options) == errc::ok));
    options.format_version = 2;
    const auto newer = open_lmdb_store(options);
    BOOST_REQUIRE(!newer.has_value());
    BOOST_TEST((newer.error().code == errc::store_format_newer));
    BOOST_TEST(newer.error().detail.find("format 3") != std::string::npos);
    BOOST_TEST(newer.error().detail.find("up to 2") != std::string::npos);
    options.format_version = 5;
    BOOST_TEST((open_code(options) == errc::store_damaged));
    static constexpr std::array half{migration{3, add_marker}};
    options.migrations = half;
    BOOST_TEST((open_code(options) == errc::store_damaged));
    static constexpr std::array failing{migration{3, add_marker}, migration{4, give_up}};
    options.migrations = failing;
    BOOST_TEST((open_code(options) == errc::store_damaged));
    options.migrations = {};
    options.format_version = 3;
    BOOST_TEST(!open_or_fail(options)->begin_read()->get(table::meta, as_bytes_view("marker")).has_value());
    static constexpr std::array whole{migration{4, add_marker}, migration{3, add_marker}};
    options.migrations = whole;
    options.format_version = 5;
    BOOST_TEST(open_or_fail(options)->begin_read()->get(table::meta, as_bytes_view("marker")).has_value());
    options.migrations = {};
    BOOST_TEST((open_code(options) == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_store_has_the_tables_it_was_opened_with_and_keys_within_bounds) {
    const scratch_directory dir;
    lmdb_options options = options_for(dir.path());
    static constexpr std::array few{table::declared};
    options.tables = few;
    const auto s = open_or_fail(options);
    const auto t = s->begin_write();
    put_text(*t, table::declared, "k", "v");
    BOOST_CHECK_THROW(put_text(*t, table::jobs, "k", "v"), std::logic_error);
    BOOST_CHECK_THROW(put_text(*t, table::declared, "", "v"), std::logic_error);
    BOOST_CHECK_THROW(put_text(*t, table::declared, std::string(512, 'k'), "v"), std::logic_error);
    BOOST_CHECK_THROW(t->get(table::declared, {}), std::logic_error);
    BOOST_CHECK_THROW(t->put(table::declared, as_bytes_view("l"), *t->get(table::declared, as_bytes_view("k"))),
                      std::logic_error);
    BOOST_CHECK_THROW(s->begin_write(), std::logic_error);
    BOOST_TEST(t->commit().has_value());
    BOOST_CHECK_THROW((void)t->commit(), std::logic_error);
    BOOST_TEST(!t->get(table::declared, as_bytes_view("k")).has_value());
}

BOOST_AUTO_TEST_CASE(readers_on_many_threads_see_whole_commits_and_are_counted) {
    const scratch_directory dir;
    const auto s = open_or_fail(options_for(dir.path()));
    std::atomic<bool> stop = false;
    const auto write = [&](std::string_view v) {
        const auto t = s->begin_write();
        put_text(*t, table::jobs, "a", v);
        put_text(*t, table::queue, "b", v);
        BOOST_REQUIRE(t->commit().has_value());
    };
    write("0");
    auto old = s->begin_read();
    std::atomic<int> torn = 0;
    std::atomic<int> reads = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&] {
                while (!stop) {
                    const auto r = s->begin_read();
                    const auto a = r->get(table::jobs, as_bytes_view("a"));
                    const auto b = r->get(table::queue, as_bytes_view("b"));
                    if (!a || !b || as_text(*a) != as_text(*b)) ++torn;
                    ++reads;
                    s->stats();
                    s->has_room();
                }
            });
        for (int i = 1; i <= 50 || reads < 50; ++i) write(std::to_string(i));
        stop = true;
    }
    BOOST_TEST(torn == 0);
    BOOST_TEST(as_text(*old->get(table::jobs, as_bytes_view("a"))) == "0");
    const store_stats stats = s->stats();
    BOOST_TEST(stats.readers == 1U);
    BOOST_TEST(stats.oldest_reader_lag >= 50U);
    BOOST_TEST(stats.oldest_reader.find(std::to_string(::getpid())) != std::string::npos);
    old.reset();
    BOOST_TEST(s->stats().readers == 0U);
}

BOOST_AUTO_TEST_CASE(a_path_that_cannot_hold_a_store_is_said_to_be_so) {
    const scratch_directory dir;
    lmdb_options options = options_for(dir.path() / "missing");
    BOOST_TEST((open_code(options) == errc::invalid_argument));
    options.file = dir.path();
    BOOST_TEST((open_code(options) == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(a_second_process_is_told_who_holds_the_directory_until_the_first_dies) {
    const scratch_directory dir;
    const std::filesystem::path path = dir.path() / "data";
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
        const auto held = data_directory::open(path);
        const char ready = held ? 'y' : 'n';
        if (::write(ends[1], &ready, 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char ready = 0;
    BOOST_REQUIRE(::read(ends[0], &ready, 1) == 1);
    BOOST_REQUIRE(ready == 'y');
    const auto refused = data_directory::open(path);
    BOOST_REQUIRE(!refused.has_value());
    BOOST_TEST((refused.error().code == errc::data_directory_locked));
    BOOST_TEST(refused.error().detail.find(std::to_string(child)) != std::string::npos);
    BOOST_TEST(refused.error().detail.find(path.string()) != std::string::npos);
    BOOST_TEST((std::filesystem::status(path).permissions() == std::filesystem::perms::owner_all));

    ::kill(child, SIGKILL);
    BOOST_REQUIRE(::waitpid(child, nullptr, 0) == child);
    ::close(ends[0]);
    ::close(ends[1]);
    {
        auto held = data_directory::open(path);
        BOOST_REQUIRE(held.has_value());
        const data_directory moved = std::move(*held);
        BOOST_TEST((data_directory::open(path).error().code == errc::data_directory_locked));
    }
    BOOST_TEST(data_directory::open(path).has_value());
    std::ofstream(dir.path() / "file") << "x";
    BOOST_TEST((data_directory::open(dir.path() / "file").error().code == errc::invalid_argument));
    BOOST_TEST((data_directory::open(dir.path() / "none" / "below").error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
