// One random walk over every operation, on the LMDB store and on its memory twin, which must agree at every step.
#include <cstring>
#include <deque>
#include <random>

#include "persistence/memory_store.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

using found_row = std::optional<std::pair<bytes, bytes>>;

found_row owned(const std::optional<row>& r) {
    if (!r) return std::nullopt;
    return std::pair{to_bytes(r->key), to_bytes(r->value)};
}

std::optional<bytes> owned(const std::optional<bytes_view>& v) {
    if (!v) return std::nullopt;
    return to_bytes(*v);
}

// Keys from a small space, so that they meet; some long, some a prefix of others.
struct generator {
    std::mt19937_64 random;

    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); }
    bytes key() {
        static constexpr std::array sizes{1, 2, 3, 8, 38, 511};
        bytes k(static_cast<std::size_t>(sizes[below(sizes.size())]), std::byte{7});
        for (std::size_t i = 0; i < std::min<std::size_t>(k.size(), 3); ++i)
            k[i] = static_cast<std::byte>(below(6) * 51);
        return k;
    }
    bytes value() {
        static constexpr std::array sizes{0, 1, 80, 200, 260, 1500, 5000};
        return bytes(static_cast<std::size_t>(sizes[below(sizes.size())]), static_cast<std::byte>(below(256)));
    }
    table any_table() {
        static constexpr std::array used{table::jobs, table::queue, table::events};
        return used[below(used.size())];
    }
};

struct pair_of_readers {
    std::unique_ptr<read_transaction> lmdb;
    std::unique_ptr<read_transaction> memory;
};

void compare_reads(generator& g, read_tables& a, read_tables& b) {
    const table t = g.any_table();
    const bytes k = g.below(20) == 0 ? bytes{} : g.key();
    switch (g.below(4)) {
    case 0:
        if (!k.empty()) BOOST_REQUIRE(owned(a.get(t, k)) == owned(b.get(t, k)));
        break;
    case 1:
        BOOST_REQUIRE(owned(a.seek(t, k)) == owned(b.seek(t, k)));
        break;
    case 2:
        BOOST_REQUIRE(owned(a.seek_before(t, k)) == owned(b.seek_before(t, k)));
        break;
    default:
        BOOST_REQUIRE(owned(a.next(t)) == owned(b.next(t)));
    }
}

void change(generator& g, tables& a, tables& b) {
    const table t = g.any_table();
    const bytes k = g.key();
    const bytes v = g.value();
    switch (g.below(5)) {
    case 0:
    case 1:
        a.put(t, k, v);
        b.put(t, k, v);
        break;
    case 2:
        for (tables* each : {&a, &b}) {
            const std::span<std::byte> room = each->reserve(t, k, v.size());
            BOOST_REQUIRE(room.size() == v.size());
            if (!v.empty()) std::memcpy(room.data(), v.data(), v.size());
        }
        break;
    case 3:
        BOOST_REQUIRE(a.erase(t, k) == b.erase(t, k));
        break;
    default: // a row changed and a row taken away while walked, with the walk's own key views
        for (tables* each : {&a, &b})
            if (const auto r = each->seek(t, k)) each->put(t, r->key, v);
        for (tables* each : {&a, &b})
            if (const auto r = each->next(t)) BOOST_REQUIRE(each->erase(t, r->key));
    }
}

void compare_all(read_tables& a, read_tables& b) {
    for (const table t : all_tables) {
        if (t == table::meta) continue; // the format version is LMDB's alone
        auto ra = owned(a.seek(t, {}));
        auto rb = owned(b.seek(t, {}));
        for (; ra || rb; ra = owned(a.next(t)), rb = owned(b.next(t))) BOOST_REQUIRE(ra == rb);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(agreement)

BOOST_AUTO_TEST_CASE(both_stores_agree_at_every_step_of_a_random_walk) {
    generator g{std::mt19937_64{std::random_device{}()}};
    const std::uint64_t seed = std::random_device{}();
    g.random.seed(seed);
    BOOST_TEST_MESSAGE("seed " << seed);
    const scratch_directory dir;
    std::unique_ptr<store> lmdb = open_or_fail(options_for(dir.path()));
    const std::unique_ptr<store> memory = make_memory_store();
    std::deque<pair_of_readers> readers;

    BOOST_TEST_CONTEXT("seed " << seed) {
        for (int round = 0; round < 300; ++round) {
            auto a = lmdb->begin_write();
            auto b = memory->begin_write();
            for (std::size_t steps = g.below(120); steps > 0; --steps) {
                if (g.below(2) == 0)
                    change(g, *a, *b);
                else
                    compare_reads(g, *a, *b);
                if (!readers.empty() && g.below(8) == 0) {
                    pair_of_readers& r = readers[g.below(readers.size())];
                    compare_reads(g, *r.lmdb, *r.memory);
                }
                if (g.below(100) == 0) readers.push_back({lmdb->begin_read(), memory->begin_read()});
            }
            BOOST_REQUIRE(a->status() == b->status());
            if (g.below(4) == 0) {
                a->abort();
                b->abort();
            } else {
                BOOST_REQUIRE(a->commit().has_value());
                BOOST_REQUIRE(b->commit().has_value());
            }
            if (g.below(3) == 0) readers.push_back({lmdb->begin_read(), memory->begin_read()});
            while (readers.size() > 5 || (!readers.empty() && g.below(4) == 0)) {
                compare_all(*readers.front().lmdb, *readers.front().memory);
                readers.pop_front();
            }
            if (round % 100 == 99) {
                readers.clear();
                a.reset();
                lmdb.reset();
                lmdb = open_or_fail(options_for(dir.path()));
            }
        }
        readers.clear();
        compare_all(*lmdb->begin_read(), *memory->begin_read());
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
