// What a node alone has declared becomes a cluster's: whole, once, and on where it was cut off.
#include "cluster/declared/migrate_declared.hpp"

#include <capnp/message.h>

#include "actors/governance/control_machine.hpp"
#include "cluster/declared/declared_record.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

// A node's own store, with so many tenants and two job types; each was declared twice, so its version is 2.
class node_alone {
  public:
    explicit node_alone(std::size_t tenants) {
        static constexpr std::array used{table::meta, table::declared, table::control};
        rows_ = must(open_lmdb_store({directory_.path() / "control.mdb", small_map, used}));
        const auto transaction = rows_->begin_write();
        for (const char* spec : {"{}", "{\"share\":2}"}) {
            for (std::size_t i = 0; i < tenants; ++i)
                declare_one(*transaction, "Tenant", "t" + std::to_string(i), spec);
            for (const char* type : {"build", "copy"})
                if (tenants > 0) declare_one(*transaction, "JobType", type, spec);
        }
        must(transaction->commit());
    }
    store& operator*() const { return *rows_; }
    std::vector<declared_row> rows() const { return declared_rows(*rows_->begin_read(), ""); }

  private:
    void declare_one(tables& t, const char* kind, const std::string& name, const char* spec) const {
        capnp::MallocMessageBuilder message;
        auto command = message.initRoot<cmd::Declare>();
        command.setKind(kind);
        command.setName(name.c_str());
        command.setSpec(spec);
        command.setBy("ann");
        must(declare(t, command.asReader(), start_));
    }

    scratch_directory directory_;
    std::unique_ptr<store> rows_;
    instant start_ = *parse_rfc3339("2026-03-01T12:00:00Z");
};

void require_migrated(const node_alone& from, control_store& into) {
    const auto there = must(list(into, "/declared/"));
    const auto rows = from.rows();
    BOOST_REQUIRE(there.entries.size() == rows.size());
    for (const declared_row& row : rows) {
        const auto entry = must(get(into, declared_key(row.kind, row.name)));
        BOOST_REQUIRE(entry.has_value());
        const auto read = must(decode_declared(entry->key, entry->value));
        BOOST_TEST(read.number == row.number);
        BOOST_TEST(read.version == row.version);
        BOOST_TEST(read.spec == row.spec);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(migrate_declared_suite)

BOOST_AUTO_TEST_CASE(documents_keep_their_numbers_and_versions_and_new_ones_are_numbered_after_them) {
    const node_alone from{300}; // more than one transaction has room for
    etcd_backend into;
    const auto done = must(migrate_declared(*from, *into));
    BOOST_TEST(done.copied == 302U + 3U); // and the counters
    require_migrated(from, *into);
    BOOST_TEST(must(get(*into, number_counter_key("Tenant")))->value == "300");
    BOOST_TEST(must(get(*into, number_counter_key("JobType")))->value == "2");
    BOOST_TEST(must(get(*into, std::string{declared_generation_key})).has_value());
    BOOST_TEST((migrate_declared(*from, *into).error().code == errc::already_exists));
}

BOOST_AUTO_TEST_CASE(a_migration_that_was_cut_off_goes_on_from_the_same_node_alone) {
    const node_alone from{300}, other{3};
    etcd_backend into;
    {
        etcd_backend aside; // what a whole migration leaves beside the node's own rows
        must(migrate_declared(*from, *aside));
    }
    const auto beside = must(make_local_control_store(std::make_shared<control_rows>(*from)));
    const auto source = must(list(*beside, ""));
    control_txn first;
    for (std::size_t i = 0; i < 100; ++i) first.puts.push_back({source.entries[i].key, source.entries[i].value, 0});
    first.puts.push_back(
        {std::string{control_migration_key}, std::to_string(source.at.history) + " " + source.entries[99].key, 0});
    must(commit(*into, first));
    BOOST_TEST((migrate_declared(*other, *into).error().code == errc::already_exists));
    beside->stop();
    const auto done = must(migrate_declared(*from, *into));
    BOOST_TEST(done.present == 100U);
    require_migrated(from, *into);
}

BOOST_AUTO_TEST_CASE(a_node_that_has_declared_nothing_has_nothing_to_migrate) {
    const node_alone from{0};
    local_backend into;
    BOOST_TEST((migrate_declared(*from, *into).error().code == errc::not_found));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
