// The replication of shards, scenario by scenario.
#include <boost/test/unit_test.hpp>

#include "tests/simulation/sim_client.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(replication)

BOOST_AUTO_TEST_CASE(three_fresh_nodes_come_in_sync_and_hold_the_same) {
    sim_cluster c{1, 3, 1};
    c.start_all();
    const shard_id shard{0};
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    for (int i = 0; i < 100; ++i) {
        client.submit();
        c.run(1000);
    }
    BOOST_REQUIRE(c.run_until([&] { return client.acknowledged.size() == 100; }, 10 * second_us));
    c.run(second_us);
    BOOST_TEST(client.missing() == 0U);
    require_equal_tables(c, shard);
}

BOOST_AUTO_TEST_CASE(a_primary_that_dies_loses_nothing_that_was_acknowledged) {
    sim_cluster c{2, 3, 1};
    c.start_all();
    const shard_id shard{0};
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 50; ++i) {
            client.submit();
            c.run(500);
        }
        const node_id victim = c.primary_of(shard)->id;
        c.crash(victim);
        BOOST_REQUIRE(c.run_until([&] { return c.primary_of(shard) != nullptr; }, 10 * second_us));
        BOOST_TEST(client.missing() == 0U);
        c.start(victim);
        BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 20 * second_us));
    }
    c.run(second_us);
    BOOST_TEST(client.missing() == 0U);
    BOOST_TEST(client.acknowledged.size() > 200U);
    require_equal_tables(c, shard);
}

// One node writes its rows in another form: nothing is compared with it, nor does it take itself out. As soon as
// all are of one version again, a replica that differs is found.
BOOST_AUTO_TEST_CASE(nodes_of_two_versions_hold_a_shard_together_and_are_compared_when_they_are_of_one) {
    sim_cluster c{6, 3, 1};
    std::map<node_id, std::uint64_t> layouts{{node_id{1}, 1}, {node_id{2}, 1}, {node_id{3}, 1}};
    c.on_start = [&](replicated_journal_options& options) { options.layout = layouts.at(options.self); };
    c.start_all();
    const shard_id shard{0};
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    const auto submit_some = [&] {
        client.submit_some();
        c.run(second_us);
    };
    const auto restart = [&](node_id id, std::uint64_t layout) {
        layouts[id] = layout;
        c.crash(id);
        BOOST_REQUIRE(c.run_until([&] { return c.primary_of(shard) != nullptr; }, 10 * second_us));
        c.start(id);
        BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 20 * second_us));
    };
    const auto chain = [&](node_id id) { return c.slot(id, shard).place.chain; };
    submit_some();
    for (const node_id id : {node_id{1}, node_id{2}}) { // whichever leads: two of three are upgraded
        restart(id, 2);
        submit_some();
        for (auto& each : c.nodes()) BOOST_TEST(!c.slot(each.first, shard).diverged);
    }
    restart(node_id{3}, 2);
    submit_some();
    const node_id primary = c.primary_of(shard)->id;
    for (auto& each : c.nodes()) {
        BOOST_TEST(!c.slot(each.first, shard).diverged);
        BOOST_TEST(chain(each.first) == chain(primary));
        BOOST_TEST(c.slot(each.first, shard).place.digest == c.slot(primary, shard).place.digest);
    }
    BOOST_TEST(client.missing() == 0U);

    const node_id victim{primary.value % 3 + 1};
    c.crash(victim);
    {
        const auto rows = c.at(victim).data->begin_write();
        record_writer<rec::CountersRow> counters;
        counters.init().setSucceeded(7);
        counters.put(*rows, table::counters, keys::counters(shard, tenant_id{1}, type_id{1}));
        BOOST_REQUIRE(rows->commit().has_value());
    }
    c.start(victim);
    c.run(5 * second_us);
    submit_some();
    BOOST_TEST(c.slot(victim, shard).diverged);
}

BOOST_AUTO_TEST_CASE(a_wiped_node_comes_back_by_a_snapshot) {
    sim_cluster c{3, 3, 2};
    c.start_all();
    const shard_id shard{0};
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    for (int i = 0; i < 200; ++i) {
        client.submit();
        c.run(1000);
    }
    c.wipe(node_id{2});
    c.run(2 * second_us);
    c.start(node_id{2});
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 20 * second_us));
    c.run(second_us);
    BOOST_TEST(client.missing() == 0U);
    require_equal_tables(c, shard);
}

// It died in the middle of a snapshot, and is full when it comes back: what is left of the old rows must not be
// built upon.
BOOST_AUTO_TEST_CASE(a_replica_that_cannot_erase_its_rows_takes_nothing_until_it_can) {
    sim_cluster c{5, 3, 1};
    const shard_id shard{0};
    c.start_all();
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    client.submit_some();
    const node_id victim{c.primary_of(shard)->id.value % 3 + 1};
    c.crash(victim);
    auto& disk = *c.at(victim).data;
    {
        const auto rows = disk.begin_write();
        write_place(*rows, shard, {.installing = true, .found = true});
        BOOST_REQUIRE(rows->commit().has_value());
    }
    disk.full = true;
    c.start(victim);
    client.submit_some();
    c.run(2 * second_us);
    BOOST_TEST(!all_in_sync(c, shard, 3));
    disk.full = false;
    client.submit_some();
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 20 * second_us));
    c.run(second_us);
    BOOST_TEST(client.missing() == 0U);
    require_equal_tables(c, shard);
}

BOOST_AUTO_TEST_CASE(a_follower_whose_disk_forgot_what_it_had_acknowledged_is_taken_out_and_comes_back) {
    sim_cluster c{4, 3, 1};
    const shard_id shard{0};
    c.start_all();
    BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c, shard, 3); }, 10 * second_us));
    sim_client client{c, shard, {}, {}, {}};
    client.declare();
    const node_id victim{c.primary_of(shard)->id.value % 3 + 1};
    c.at(victim).log->forgets = 20;
    for (int i = 0; i < 100; ++i) {
        client.submit();
        c.run(1000);
    }
    c.crash(victim);
    c.at(victim).log->forgets = 0;
    c.start(victim);
    for (int i = 0; i < 100; ++i) {
        client.submit();
        c.run(1000);
    }
    BOOST_REQUIRE(
        c.run_until([&] { return client.acknowledged.size() == 200 && all_in_sync(c, shard, 3); }, 20 * second_us));
    c.run(second_us);
    BOOST_TEST(client.missing() == 0U);
    require_equal_tables(c, shard);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
