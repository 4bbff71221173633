// What a primary does about its shards when nodes come, drain and go.
#include "runtime/node/cluster_placer.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <spdlog/sinks/ostream_sink.h>
#include <sstream>

namespace {

using namespace coppice;
using numbers = std::vector<std::uint32_t>;

kept_member node_in(std::uint32_t number, member_state state) {
    kept_member m;
    m.what.number = node_id{number};
    m.what.state = state;
    return m;
}

std::vector<node_id> nodes(const numbers& from) {
    std::vector<node_id> all;
    for (const std::uint32_t n : from) all.push_back(node_id{n});
    return all;
}

struct fixture {
    std::vector<std::string> orders;
    std::ostringstream logged;
    std::uint32_t min_in_sync = 2;
    shard_config config{7, 3, node_id{1}, nodes({1, 2, 3}), nodes({1, 2, 3})};
    std::vector<kept_member> members{node_in(1, member_state::active), node_in(2, member_state::active),
                                     node_in(3, member_state::active)};

    std::map<node_id, milliseconds> silent;

    cluster_placer make(std::uint32_t self) {
        return cluster_placer{
            {.self = node_id{self},
             .min_in_sync = min_in_sync,
             .silences = [this] { return silent; },
             .lost_after = milliseconds{60'000},
             .want_replicas =
                 [this](shard_id, std::vector<node_id> replicas) {
                     std::string text = "hold";
                     for (const node_id n : replicas) text += " " + std::to_string(n.value);
                     orders.push_back(text);
                 },
             .hand_over = [this](shard_id, node_id to) { orders.push_back("lead " + std::to_string(to.value)); },
             .log = logger{{}, std::make_shared<spdlog::sinks::ostream_sink_mt>(logged)}}};
    }
    void place(std::uint32_t self) {
        cluster_placer placer = make(self);
        placer.place(members, {{shard_id{0}, config}});
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_placing)

BOOST_FIXTURE_TEST_CASE(where_all_is_well_nothing_is_ordered, fixture) {
    place(1);
    BOOST_TEST(orders.empty());
}

BOOST_FIXTURE_TEST_CASE(a_draining_primary_hands_over_first, fixture) {
    members[0] = node_in(1, member_state::draining);
    place(1);
    BOOST_REQUIRE(orders.size() == 1U);
    BOOST_TEST((orders[0] == "lead 2" || orders[0] == "lead 3"));
}

BOOST_FIXTURE_TEST_CASE(who_is_silent_for_long_is_replaced_where_there_is_another, fixture) {
    config.in_sync = nodes({1, 2});
    silent[node_id{3}] = milliseconds{60'000};
    place(1);
    BOOST_TEST(orders.empty()); // two others are not enough for three copies
    members.push_back(node_in(4, member_state::active));
    silent[node_id{3}] = milliseconds{59'999};
    place(1);
    BOOST_TEST(orders.empty());
    silent[node_id{3}] = milliseconds{60'000};
    place(1);
    BOOST_REQUIRE(orders.size() == 1U);
    BOOST_TEST(orders[0] == "hold 1 2 3 4");
    config.replicas = nodes({1, 2, 3, 4});
    config.in_sync = nodes({1, 2, 4});
    place(1);
    BOOST_REQUIRE(orders.size() == 2U);
    BOOST_TEST(orders[1] == "hold 1 2 4");
}

BOOST_FIXTURE_TEST_CASE(only_the_primary_acts, fixture) {
    members[0] = node_in(1, member_state::draining);
    place(2);
    place(3);
    BOOST_TEST(orders.empty());
}

BOOST_FIXTURE_TEST_CASE(a_draining_secondary_is_kept_until_another_is_in_its_place, fixture) {
    members[2] = node_in(3, member_state::draining);
    place(1);
    BOOST_TEST(orders.empty());
    members.push_back(node_in(4, member_state::active));
    place(1);
    BOOST_REQUIRE(orders.size() == 1U);
    BOOST_TEST(orders[0] == "hold 1 2 3 4");
    config.in_sync = config.replicas = nodes({1, 2, 3, 4});
    place(1);
    BOOST_REQUIRE(orders.size() == 2U);
    BOOST_TEST(orders[1] == "hold 1 2 4");
}

BOOST_FIXTURE_TEST_CASE(a_replica_that_writes_need_is_kept, fixture) {
    members = {node_in(1, member_state::active), node_in(2, member_state::removed)};
    config.in_sync = config.replicas = nodes({1, 2});
    place(1);
    BOOST_TEST(orders.empty());
    min_in_sync = 1;
    place(1);
    BOOST_TEST(orders == std::vector<std::string>{"hold 1"}, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_removed_replica_that_is_in_sync_no_more_is_let_go, fixture) {
    members[2] = node_in(3, member_state::removed);
    config.in_sync = nodes({1, 2});
    place(1);
    BOOST_TEST(orders == std::vector<std::string>{"hold 1 2"}, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(an_order_is_given_again_until_it_is_done_and_logged_once, fixture) {
    members[0] = node_in(1, member_state::draining);
    cluster_placer placer = make(1);
    for (int i = 0; i < 3; ++i) placer.place(members, {{shard_id{0}, config}});
    BOOST_TEST(orders.size() == 3U);
    const std::string text = logged.str();
    BOOST_TEST(std::ranges::count(text, '\n') == 1);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_is_joining_is_given_nothing, fixture) {
    members.push_back(node_in(4, member_state::joining));
    config.in_sync = config.replicas = nodes({1, 2});
    members[2] = node_in(3, member_state::joining);
    place(1);
    BOOST_TEST(orders.empty());
}

BOOST_AUTO_TEST_SUITE_END()
