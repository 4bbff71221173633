// Cap'n Proto values in tables; the record type is Cap'n Proto's own description of a node.
#include "persistence/record.hpp"

#include <capnp/schema.capnp.h>

#include <random>

#include "persistence/memory_store.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

using node = capnp::schema::Node;
using node_reader = record_reader<node>;

struct record_fixture {
    std::unique_ptr<store> memory = make_memory_store();
    std::unique_ptr<write_transaction> txn = memory->begin_write();
    bytes key = to_bytes("k");

    bytes_view stored() {
        const auto value = txn->get(table::jobs, key);
        BOOST_REQUIRE(value.has_value());
        return *value;
    }
    void write(std::uint64_t id, const std::string& name) {
        record_writer<node> writer;
        node::Builder b = writer.init();
        b.setId(id);
        b.setDisplayName(name);
        writer.put(*txn, table::jobs, key);
    }
    // Through an odd address, as LMDB gives them.
    std::pair<std::uint64_t, std::string> read(node_reader& reader) {
        bytes shifted(stored().size() + 1);
        std::ranges::copy(stored(), shifted.begin() + 1);
        const expected<node::Reader> r = reader.try_read(bytes_view{shifted}.subspan(1));
        BOOST_REQUIRE(r.has_value());
        return {r->getId(), std::string(r->getDisplayName().cStr())};
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(records, record_fixture)

BOOST_AUTO_TEST_CASE(a_written_record_reads_back_from_any_address) {
    write(7, "seven");
    node_reader reader;
    BOOST_TEST((read(reader) == std::pair<std::uint64_t, std::string>(7, "seven")));
    BOOST_TEST(stored().size() % 8 == 0U);
}

BOOST_AUTO_TEST_CASE(a_record_larger_than_the_scratch_takes_several_segments_and_reads_back) {
    const std::string large(100'000, 'x');
    record_writer<node> writer;
    for (const std::uint64_t id : {1, 2}) { // the second finds the scratch clean again
        node::Builder b = writer.init();
        b.setDisplayName(large);
        b.initParameters(3);
        b.setId(id);
        writer.put(*txn, table::jobs, key);
        node_reader reader;
        BOOST_TEST((read(reader) == std::pair(id, large)));
        BOOST_TEST((stored()[0] != std::byte{0}));
    }
    record_editor<node> editor;
    expected<node::Builder> b = editor.try_edit(stored());
    BOOST_REQUIRE(b.has_value());
    b->setId(9);
    editor.put(*txn, table::jobs, key);
    node_reader reader;
    BOOST_TEST((read(reader) == std::pair<std::uint64_t, std::string>(9, large)));
}

BOOST_AUTO_TEST_CASE(a_writer_starts_each_record_empty) {
    record_writer<node> writer;
    writer.init().setDisplayName("left over");
    writer.init().setId(3);
    writer.put(*txn, table::jobs, key);
    node_reader reader;
    BOOST_TEST((read(reader) == std::pair<std::uint64_t, std::string>(3, "")));
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_reader_is_equal) {
    write(5, "five");
    node_reader reader;
    record_writer<node> writer;
    const expected<node::Reader> r = reader.try_read(stored());
    BOOST_REQUIRE(r.has_value());
    writer.set_from(*r);
    key = to_bytes("copy");
    writer.put(*txn, table::jobs, key);
    BOOST_TEST((read(reader) == std::pair<std::uint64_t, std::string>(5, "five")));
}

BOOST_AUTO_TEST_CASE(an_edit_keeps_the_other_fields_and_does_not_grow_for_numbers) {
    write(5, "name");
    const std::size_t size = stored().size();
    record_editor<node> editor;
    for (std::uint64_t id = 10; id < 20; ++id) {
        expected<node::Builder> b = editor.try_edit(stored());
        BOOST_REQUIRE(b.has_value());
        b->setId(id);
        editor.put(*txn, table::jobs, key);
    }
    node_reader reader;
    BOOST_TEST((read(reader) == std::pair<std::uint64_t, std::string>(19, "name")));
    BOOST_TEST(stored().size() == size);
}

BOOST_AUTO_TEST_CASE(a_thousand_edits_of_a_text_leave_a_bounded_record) {
    write(5, "name");
    record_editor<node> editor;
    node_reader reader;
    for (int i = 0; i < 1000; ++i) {
        const std::string name = std::string(static_cast<std::size_t>(i % 90), 'a') + std::to_string(i);
        expected<node::Builder> b = editor.try_edit(stored());
        BOOST_REQUIRE(b.has_value());
        b->setDisplayName(name);
        if (i % 3 == 0) continue; // an edit that is never put leaves nothing behind
        editor.put(*txn, table::jobs, key);
        BOOST_REQUIRE((read(reader) == std::pair<std::uint64_t, std::string>(5, name)));
        BOOST_REQUIRE(stored().size() < 1024U);
    }
}

BOOST_AUTO_TEST_CASE(damaged_records_are_refused_or_read_but_never_crash) {
    write(5, "a name of some length");
    const bytes whole = to_bytes(stored());
    node_reader reader;
    record_editor<node> editor;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const bytes_view cut = bytes_view{whole}.first(size);
        BOOST_TEST(!reader.try_read(cut).has_value() == !editor.try_edit(cut).has_value());
    }
    BOOST_TEST((reader.try_read(bytes_view{whole}.first(9)).error().code == errc::store_damaged));

    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    int refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        bytes flipped = whole;
        for (int n = 0; n < 3; ++n)
            flipped[random() % flipped.size()] ^= static_cast<std::byte>(1U << random() % 8);
        if (expected<node::Builder> b = editor.try_edit(flipped)) {
            try {
                b->setDisplayName("another");
                b->setId(1);
            } catch (const kj::Exception&) { // a pointer of another kind than the field's
            }
            editor.put(*txn, table::jobs, key);
        } else {
            ++refused;
        }
    }
    BOOST_TEST(refused > 0);
}

BOOST_AUTO_TEST_CASE(a_put_in_a_failed_transaction_is_harmless) {
    txn.reset();
    memory = make_memory_store({.bytes_max = 10});
    txn = memory->begin_write();
    write(5, "five");
    BOOST_TEST((txn->status() == errc::storage_full));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
