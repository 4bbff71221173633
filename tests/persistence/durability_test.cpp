// A process that is killed at a random moment: whatever it acknowledged is there, and whole.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "persistence/keys.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

constexpr std::uint64_t rows_per_commit = 7;

// In the child: commits numbered batches from `first` on, telling each number after its commit, until killed.
[[noreturn]] void commit_for_ever(const lmdb_options& options, std::uint64_t first, int tell) {
    const auto opened = open_lmdb_store(options);
    if (!opened) ::_exit(1);
    store& s = **opened;
    for (std::uint64_t n = first;; ++n) {
        const auto t = s.begin_write();
        for (std::uint64_t i = 0; i < rows_per_commit; ++i) {
            const bytes value(100 + (n * 37 + i) % 3000, static_cast<std::byte>(n));
            t->put(table::jobs, row_key{}.u64(n).u64(i), value);
        }
        // Work that moves pages about, so that free ones are used again.
        if (n > 20) t->erase(table::queue, row_key{}.u64(n - 20));
        t->put(table::queue, row_key{}.u64(n), {});
        if (!t->commit()) ::_exit(2);
        if (::write(tell, &n, sizeof n) != sizeof n) ::_exit(3);
    }
}

// Batches present: all whole, none missing in between.
std::uint64_t whole_batches(store& s) {
    const auto r = s.begin_read();
    std::uint64_t rows = 0;
    for (auto at = r->seek(table::jobs, {}); at; at = r->next(table::jobs), ++rows) {
        key_reader k{at->key};
        BOOST_REQUIRE(k.u64() == rows / rows_per_commit);
        BOOST_REQUIRE(k.u64() == rows % rows_per_commit);
        BOOST_REQUIRE(at->value.size() == 100 + (rows / rows_per_commit * 37 + rows % rows_per_commit) % 3000);
        BOOST_REQUIRE((at->value.back() == static_cast<std::byte>(rows / rows_per_commit)));
    }
    BOOST_REQUIRE(rows % rows_per_commit == 0);
    return rows / rows_per_commit;
}

} // namespace

BOOST_AUTO_TEST_SUITE(durability)

BOOST_AUTO_TEST_CASE(what_a_killed_process_acknowledged_is_there) {
    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    const scratch_directory dir(std::filesystem::temp_directory_path());
    const lmdb_options options = options_for(dir.path());
    std::uint64_t next = 0; // the first batch that is not in the store
    for (int round = 0; round < 20; ++round) {
        std::array<int, 2> ends{};
        BOOST_REQUIRE(::pipe(ends.data()) == 0);
        const pid_t child = ::fork();
        BOOST_REQUIRE(child >= 0);
        if (child == 0) {
            ::close(ends[0]);
            commit_for_ever(options, next, ends[1]);
        }
        ::close(ends[1]);
        std::uint64_t acknowledged = 0;
        bool any = false;
        // The moment: after so many acknowledgements, and then some microseconds into the next commit.
        for (std::uint64_t left = 1 + random() % 4; left > 0; --left)
            any = ::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged;
        ::usleep(static_cast<useconds_t>(random() % 12'000));
        ::kill(child, SIGKILL);
        while (::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        }
        ::close(ends[0]);
        int status = 0;
        BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
        BOOST_REQUIRE(WIFSIGNALED(status));
        BOOST_REQUIRE(any);

        const std::unique_ptr<store> s = open_or_fail(options);
        const std::uint64_t batches = whole_batches(*s);
        BOOST_TEST(batches >= acknowledged + 1);
        BOOST_TEST(batches <= acknowledged + 2); // the one under way may have come through
        BOOST_TEST(s->stats().readers == 0U);
        next = batches;
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
