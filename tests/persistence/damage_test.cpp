// Files that are not whole: cut, overwritten, flipped. Opening one gives an error value or a store that can be read
// to its end; nothing ends the process.
#include <fstream>
#include <random>

#include "persistence/keys.hpp"
#include "persistence/lmdb.hpp"
#include "persistence/lmdb_check.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

std::vector<char> contents(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const std::filesystem::path& file, const std::vector<char>& with) {
    std::ofstream(file, std::ios::binary | std::ios::trunc)
        .write(with.data(), static_cast<std::streamsize>(with.size()));
}

// A store with several levels, overflow pages and a free list.
struct damage_fixture {
    damage_fixture() {
        {
            const auto s = open_or_fail(options);
            for (std::uint64_t round = 0; round < 4; ++round) {
                const auto t = s->begin_write();
                for (std::uint64_t i = 0; i < 800; ++i)
                    t->put(table::jobs, row_key{}.u64(i * 7919 % 1000).u64(i % 3),
                           bytes(120 + round, std::byte{1}));
                for (std::uint64_t i = 0; i < 8; ++i)
                    t->put(table::payloads, row_key{}.u64(i), bytes(9000 + i, std::byte{2}));
                for (std::uint64_t i = 0; i < 200; ++i) t->erase(table::jobs, row_key{}.u64(i).u64(round % 3));
                BOOST_REQUIRE(t->commit().has_value());
            }
        }
        whole = contents(options.file);
        BOOST_REQUIRE(check_lmdb_file(options.file, 1'000'000).has_value());
        BOOST_REQUIRE(check_lmdb_file(options.file, 0).has_value());
    }
    // Opens, reads all, writes. True when it opened.
    bool survives() {
        const auto opened = open_lmdb_store(options);
        if (!opened) {
            BOOST_REQUIRE((opened.error().code == errc::store_damaged));
            return false;
        }
        const auto r = (*opened)->begin_read();
        for (const table t : all_tables)
            for (auto at = r->seek(t, {}); at; at = r->next(t))
                if (!at->value.empty()) sum += std::to_integer<int>(at->value.back());
        const auto t = (*opened)->begin_write();
        for (std::uint64_t i = 0; i < 300; ++i)
            t->put(table::jobs, row_key{}.u64(i * 3).u64(1), bytes(300, std::byte{3}));
        (void)t->commit();
        return true;
    }

    const scratch_directory dir;
    const lmdb_options options = options_for(dir.path());
    std::vector<char> whole;
    int sum = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(damage, damage_fixture)

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_refused_or_read) {
    int refused = 0;
    for (std::size_t size = 1; size < whole.size(); size += size < 9000 ? 1009 : 40'961) {
        overwrite(options.file, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
        if (!survives()) ++refused;
    }
    BOOST_TEST(refused > 5);
    overwrite(options.file, whole);
    BOOST_TEST(survives());
}

BOOST_AUTO_TEST_CASE(another_programs_file_is_refused_and_left_as_it_was) {
    for (const std::string& text :
         {std::string("not a store"), std::string(100'000, 'x'), std::string(100'000, '\0')}) {
        overwrite(options.file, {text.begin(), text.end()});
        BOOST_TEST(!survives());
        BOOST_TEST((contents(options.file) == std::vector<char>(text.begin(), text.end())));
    }
}

BOOST_AUTO_TEST_CASE(an_lmdb_file_that_is_not_a_store_of_ours_is_refused) {
    std::filesystem::remove(options.file);
    {
        lmdb::environment env;
        lmdb::transaction txn;
        MDB_dbi handle = 0;
        BOOST_REQUIRE(lmdb::environment::open(options.file, small_map, 4, 8, env) == 0);
        BOOST_REQUIRE(env.begin_write(txn) == 0);
        BOOST_REQUIRE(txn.open_table("foreign", true, handle) == 0);
        BOOST_REQUIRE(txn.commit() == 0);
    }
    BOOST_TEST(!survives());
}

BOOST_AUTO_TEST_CASE(flipped_bits_never_end_the_process) {
    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    int refused = 0;
    constexpr int rounds = 600;
    BOOST_TEST_CONTEXT("seed " << seed) {
        for (int i = 0; i < rounds; ++i) {
            std::vector<char> flipped = whole;
            for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
                // Mostly where pages keep their structure: headers, offsets, and both meta pages.
                const std::size_t page = random() % 4 == 0 ? random() % 2 : random() % (whole.size() / 4096);
                const std::size_t at = page * 4096 + random() % (random() % 3 == 0 ? 4096 : 200);
                flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
            }
            overwrite(options.file, flipped);
            if (!survives()) ++refused;
        }
    }
    BOOST_TEST(refused > rounds / 10);
    BOOST_TEST(refused < rounds);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
