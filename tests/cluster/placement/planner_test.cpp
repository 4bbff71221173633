// Single decisions of the planner, and how much it moves.
#include "cluster/placement/planner.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "placement_world.hpp"

using namespace coppice;
using namespace coppice::placement_test;

namespace {

std::vector<node_id> nodes(std::initializer_list<std::uint32_t> numbers) {
    std::vector<node_id> list;
    for (const auto n : numbers) list.push_back(node_id{n});
    return list;
}

world one_shard(std::vector<placement_node> members, shard_config config, std::uint32_t factor = 3) {
    return world{{std::move(members), {{shard_id{5}, std::move(config)}}, factor}};
}

void check_step(const world& w, step_kind kind, std::uint32_t node, std::string_view why) {
    const auto plan = plan_placement(w.input);
    BOOST_REQUIRE(plan.size() == 1U);
    BOOST_TEST(to_string(plan[0].kind) == to_string(kind));
    BOOST_TEST(plan[0].node.value == node);
    BOOST_TEST(plan[0].why.find(why) != std::string::npos, plan[0].why);
}

world placed(std::uint32_t node_count, std::uint32_t shard_count, std::uint32_t factor, std::uint32_t zones = 0) {
    const auto members = active_nodes(node_count, zones);
    return world{{members, place_initially(members, shard_count, factor), factor, 1000}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(placement)

BOOST_AUTO_TEST_CASE(a_missing_replica_is_added_in_a_zone_that_holds_none) {
    const world w = one_shard({active(1, "a"), active(2, "a"), active(3, "b"), active(4, "c")},
                              {1, 1, node_id{1}, nodes({1, 3}), nodes({1, 3})});
    check_step(w, step_kind::add_replica, 4, "2 of 3 replicas are there");
}

BOOST_AUTO_TEST_CASE(a_replica_that_catches_up_is_waited_for) {
    const world w = one_shard(active_nodes(4), {1, 1, node_id{1}, nodes({1}), nodes({1, 2})});
    BOOST_TEST(plan_placement(w.input).empty());
}

BOOST_AUTO_TEST_CASE(a_draining_node_loses_the_primary_then_is_replaced_then_removed) {
    world w = one_shard(active_nodes(4), {1, 1, node_id{1}, nodes({1, 2, 3}), nodes({1, 2, 3})});
    w.node(1).state = member_state::draining;
    auto plan = plan_placement(w.input);
    BOOST_REQUIRE(plan.size() == 1U);
    BOOST_TEST((plan[0].kind == step_kind::move_primary));
    w.carry_out(plan[0]);
    check_step(w, step_kind::add_replica, 4, "node-1 is draining");
    w.carry_out(plan_placement(w.input)[0]);
    BOOST_TEST(plan_placement(w.input).empty()); // the new one has to catch up first
    w.come_in_sync();
    check_step(w, step_kind::remove_replica, 1, "node-1 is draining, and 3 others are in sync");
}

BOOST_AUTO_TEST_CASE(a_shard_whose_primary_is_gone_gets_one_that_is_in_sync) {
    world w = one_shard(active_nodes(4), {1, 1, node_id{1}, nodes({1, 3}), nodes({1, 2, 3})});
    w.node(1).is_lost = true;
    check_step(w, step_kind::move_primary, 3, "node-1 is gone");
}

BOOST_AUTO_TEST_CASE(a_shard_that_nobody_has_whole_is_left_as_it_is) {
    world w = one_shard(active_nodes(4), {1, 1, node_id{1}, nodes({1}), nodes({1, 2, 3})});
    w.node(1).state = member_state::removed;
    BOOST_TEST(plan_placement(w.input).empty());
}

BOOST_AUTO_TEST_CASE(a_node_that_the_members_do_not_know_is_gone) {
    world w = one_shard(active_nodes(3), {1, 1, node_id{1}, nodes({1, 2, 9}), nodes({1, 2, 9})});
    check_step(w, step_kind::add_replica, 3, "2 of 3");
    w.settle(10);
}

BOOST_AUTO_TEST_CASE(without_an_active_node_nothing_is_taken_away) {
    world w = one_shard(active_nodes(2), {1, 1, node_id{1}, nodes({1, 2}), nodes({1, 2})});
    w.node(1).state = member_state::draining;
    w.node(2).state = member_state::joining;
    BOOST_TEST(plan_placement(w.input).empty());
    w.node(2).state = member_state::removed;
    BOOST_TEST(plan_placement(w.input).empty());
    BOOST_TEST(plan_placement({}).empty());
}

BOOST_AUTO_TEST_CASE(a_list_that_is_full_of_gone_nodes_makes_room_first) {
    world w = one_shard(active_nodes(9), {1, 1, node_id{1}, nodes({1}), nodes({1, 2, 3, 4, 5, 6, 7})});
    for (std::uint32_t n = 2; n <= 7; ++n) w.node(n).state = member_state::removed;
    check_step(w, step_kind::remove_replica, 2, "the list of replicas is full");
    w.settle(30);
}

BOOST_AUTO_TEST_CASE(two_replicas_in_a_zone_are_parted_when_another_is_free) {
    world w = one_shard({active(1, "a"), active(2, "a"), active(3, "b"), active(4, "c")},
                        {1, 1, node_id{1}, nodes({1, 2, 3}), nodes({1, 2, 3})});
    check_step(w, step_kind::add_replica, 4, "in one zone");
    const movement m = w.settle(10);
    BOOST_TEST(m.copies == 1U);
    BOOST_TEST(m.removals == 1U);
    BOOST_TEST(m.handovers == 0U); // the primary is not the one to go
}

BOOST_AUTO_TEST_CASE(the_most_urgent_comes_first) {
    world w = placed(6, 12, 3);
    w.node(1).is_lost = true;
    w.node(2).state = member_state::draining;
    w.config(shard_id{0}) = {1, 1, node_id{3}, nodes({3}), nodes({3})};
    const auto plan = plan_placement(w.input);
    const auto urgency = [](const placement_step& s) {
        if (s.why.find("primary") != std::string::npos) return 1;
        if (s.why.find("replicas are there") != std::string::npos) return 2;
        return s.kind == step_kind::move_primary ? 3 : 4;
    };
    BOOST_TEST(std::ranges::is_sorted(plan, {}, urgency));
    BOOST_TEST(urgency(plan.front()) == 1);
    BOOST_TEST(urgency(plan.back()) >= 3);
    const auto fills = std::ranges::find(plan, 2, urgency);
    BOOST_REQUIRE(fills != plan.end());
    BOOST_TEST(fills->shard.value == 0U); // which has one, where others have two
    w.input.steps_max = 2;
    BOOST_TEST((plan_placement(w.input) == std::vector(plan.begin(), plan.begin() + 2)));
}

BOOST_AUTO_TEST_CASE(a_difference_of_one_moves_nothing) {
    for (const std::uint32_t shards : {1U, 2U, 3U, 4U, 5U, 7U}) {
        const world w = placed(3, shards, 2);
        BOOST_TEST(spread_of(w.loads()) <= 1);
        BOOST_TEST(plan_placement(w.input).empty());
    }
}

BOOST_AUTO_TEST_CASE(a_first_placement_is_even_spread_and_final) {
    for (const std::uint32_t nodes_count : {1U, 2U, 3U, 5U, 8U, 13U})
        for (const std::uint32_t zones : {0U, 1U, 2U, 3U})
            for (const std::uint32_t factor : {1U, 2U, 3U, 5U})
                BOOST_TEST_CONTEXT(nodes_count << " nodes, " << zones << " zones, factor " << factor) {
                    world w = placed(nodes_count, 64, factor, zones);
                    BOOST_TEST(w.input.shards.size() == 64U);
                    w.check_settled();
                }
    BOOST_TEST(place_initially({}, 64, 3).empty());
    auto leaving = active_nodes(2);
    leaving[0].state = member_state::draining;
    for (const auto& s : place_initially(leaving, 4, 2)) BOOST_TEST((s.config.replicas == nodes({2})));
}

BOOST_AUTO_TEST_CASE(what_a_node_holds_is_spread_over_all_others_when_it_goes) {
    world w = placed(9, 240, 3);
    const auto before = w.loads(true);
    w.node(4).is_lost = true;
    std::map<std::uint32_t, int> inherited;
    for (const placement_step& s : plan_placement(w.input))
        if (s.kind == step_kind::move_primary) ++inherited[s.node.value];
    BOOST_TEST(inherited.size() == 8U);
    for (const auto& [node, count] : inherited) BOOST_TEST(count <= before.at(4) / 4);
}

BOOST_AUTO_TEST_CASE(a_node_lost_and_back_costs_what_it_held_and_what_it_is_given) {
    for (const std::uint32_t zones : {0U, 3U}) BOOST_TEST_CONTEXT(zones << " zones") {
            world w = placed(9, 120, 3, zones);
            const auto held = static_cast<std::size_t>(w.loads().at(4)),
                       led = static_cast<std::size_t>(w.loads(true).at(4));
            w.node(4).is_lost = true;
            const movement away = w.settle(1000);
            BOOST_TEST_MESSAGE("lost: held " << held << ", led " << led << "; copies " << away.copies
                                             << ", removals " << away.removals << ", handovers " << away.handovers);
            BOOST_TEST(away.copies == held);
            BOOST_TEST(away.removals == held);
            BOOST_TEST(away.handovers <= led + led / 2);
            w.node(4).is_lost = false;
            const movement back = w.settle(1000);
            const auto fair = static_cast<std::size_t>(w.loads().at(4)),
                       leads = static_cast<std::size_t>(w.loads(true).at(4));
            BOOST_TEST_MESSAGE("back: holds " << fair << ", leads " << leads << "; copies " << back.copies
                                              << ", removals " << back.removals << ", handovers "
                                              << back.handovers);
            BOOST_TEST(fair == held);
            BOOST_TEST(back.copies == fair);
            BOOST_TEST(back.removals == fair);
            BOOST_TEST(back.handovers <= leads + leads / 2);
        }
}

BOOST_AUTO_TEST_CASE(a_node_that_is_back_before_it_was_given_up_costs_nothing) {
    world w = placed(5, 40, 3);
    for (placed_shard& s : w.input.shards) { // its primaries passed on, and the others dropped it
        auto& c = s.config;
        if (c.primary.value == 2) c.primary = c.replicas[c.replicas[0].value == 2 ? 1 : 0];
        std::erase(c.in_sync, node_id{2});
    }
    for (const placement_step& s : plan_placement(w.input)) BOOST_TEST((s.kind == step_kind::move_primary));
    const movement m = w.settle(100);
    BOOST_TEST(m.copies == 0U);
    BOOST_TEST(m.removals == 0U);
    BOOST_TEST(m.handovers == 8U); // what it led
}

BOOST_AUTO_TEST_CASE(a_node_that_is_back_halfway_keeps_what_was_not_replaced) {
    world w = placed(6, 60, 3);
    w.input.steps_max = 10;
    const auto held = static_cast<std::size_t>(w.loads().at(2));
    w.node(2).is_lost = true;
    for (int round = 0; round < 3; ++round) {
        for (const placement_step& s : plan_placement(w.input)) w.carry_out(s);
        w.come_in_sync();
    }
    w.node(2).is_lost = false;
    const movement m = w.settle(1000);
    BOOST_TEST_MESSAGE("held " << held << ", copies after it came back " << m.copies);
    BOOST_TEST(m.copies < held / 2);
}

BOOST_AUTO_TEST_CASE(a_drained_node_is_emptied_at_the_cost_of_what_it_held) {
    world w = placed(6, 60, 3, 3);
    const auto held = static_cast<std::size_t>(w.loads().at(3)),
               led = static_cast<std::size_t>(w.loads(true).at(3));
    w.node(3).state = member_state::draining;
    const movement m = w.settle(1000);
    BOOST_TEST(m.copies == held);
    BOOST_TEST(m.removals == held);
    BOOST_TEST(m.handovers >= led);
    w.node(3).state = member_state::removed;
    BOOST_TEST(w.settle(1).total() == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_empty_node_is_given_its_fair_part_and_no_more) {
    world w = placed(4, 100, 3);
    w.input.nodes.push_back(active(5));
    const movement m = w.settle(1000);
    BOOST_TEST(m.copies == 60U); // 300 over five
    BOOST_TEST(m.removals == 60U);
    BOOST_TEST(m.handovers == 20U);
}

BOOST_AUTO_TEST_CASE(a_lower_factor_takes_replicas_away_and_a_higher_one_adds) {
    world w = placed(5, 30, 3);
    w.input.replication_factor = 2;
    movement m = w.settle(1000);
    BOOST_TEST(m.removals == 30U);
    BOOST_TEST(m.copies == 0U);
    w.input.replication_factor = 5;
    m = w.settle(1000);
    BOOST_TEST(m.copies == 90U);
    w.input.replication_factor = 0; // one at least
    m = w.settle(1000);
    BOOST_TEST(m.removals == 120U);
}

BOOST_AUTO_TEST_CASE(the_order_of_what_is_given_changes_nothing) {
    world w = placed(7, 50, 3, 4);
    w.node(3).state = member_state::draining;
    w.node(5).is_lost = true;
    w.input.shards[9].config.replicas = w.input.shards[9].config.in_sync = nodes({1, 80, 90});
    w.input.shards[9].config.primary = node_id{1};
    w.input.shards[8].config.replicas = w.input.shards[8].config.in_sync = nodes({2, 70, 90});
    w.input.shards[8].config.primary = node_id{2};
    const auto plan = plan_placement(w.input);
    BOOST_TEST(!plan.empty());
    for (int i = 0; i < 5; ++i) {
        std::rotate(w.input.nodes.begin(), w.input.nodes.begin() + 3, w.input.nodes.end());
        std::rotate(w.input.shards.begin(), w.input.shards.begin() + 17, w.input.shards.end());
        BOOST_TEST((plan_placement(w.input) == plan));
    }
}

BOOST_AUTO_TEST_SUITE_END()
