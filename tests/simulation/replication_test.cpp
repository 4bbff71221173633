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
    const auto submit_some = [&] {
        for (int i = 0; i < 50; ++i) {
            client.submit();
            c.run(1000);
        }
    };
    submit_some();
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
    submit_some();
    c.run(2 * second_us);
    BOOST_TEST(!all_in_sync(c, shard, 3));
    disk.full = false;
    submit_some();
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
