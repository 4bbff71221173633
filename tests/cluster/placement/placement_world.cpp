#include "placement_world.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

#include "cluster/membership/shard_record.hpp"

namespace coppice::placement_test {
namespace {

bool has(const std::vector<node_id>& nodes, node_id node) { return std::ranges::binary_search(nodes, node); }
void insert(std::vector<node_id>& nodes, node_id node) {
    nodes.insert(std::ranges::lower_bound(nodes, node), node);
}

std::string words(const placement_step& s) {
    return std::string{to_string(s.kind)} + " of shard " + std::to_string(s.shard.value) + " at node-" +
           std::to_string(s.node.value) + ": " + s.why;
}

// Whether every shard can be led by one of those in sync with no node leading more than `most`: bipartite matching
// by augmenting paths.
bool can_lead(const std::vector<const shard_config*>& shards, std::size_t most) {
    std::map<node_id, std::vector<std::size_t>> led;
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
        std::set<node_id> tried;
        const auto place = [&](auto&& self, std::size_t s) -> bool {
            for (const node_id node : shards[s]->in_sync) {
                if (!tried.insert(node).second) continue;
                auto& mine = led[node];
                if (mine.size() < most) {
                    mine.push_back(s);
                    return true;
                }
                for (std::size_t& other : mine)
                    if (self(self, other)) {
                        other = s;
                        return true;
                    }
            }
            return false;
        };
        if (!place(place, shard)) return false;
    }
    return true;
}

} // namespace

placement_node active(std::uint32_t number, std::string zone) {
    return {node_id{number}, std::move(zone), member_state::active, false};
}

std::vector<placement_node> active_nodes(std::uint32_t count, std::uint32_t zones) {
    std::vector<placement_node> nodes;
    for (std::uint32_t i = 1; i <= count; ++i)
        nodes.push_back(active(i, zones == 0 ? std::string{} : "zone-" + std::to_string(i % zones)));
    return nodes;
}

int spread_of(const std::map<std::uint32_t, int>& loads) {
    const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [least, most] = std::ranges::minmax_element(loads, by_load);
    return loads.empty() ? 0 : most->second - least->second;
}

placement_node& world::node(std::uint32_t number) {
    const auto found = std::ranges::find(input.nodes, node_id{number}, &placement_node::node);
    BOOST_REQUIRE(found != input.nodes.end());
    return *found;
}
shard_config& world::config(shard_id shard) {
    const auto found = std::ranges::find(input.shards, shard, &placed_shard::shard);
    BOOST_REQUIRE(found != input.shards.end());
    return found->config;
}
bool world::is_active(node_id node) const {
    const auto found = std::ranges::find(input.nodes, node, &placement_node::node);
    return found != input.nodes.end() && found->state == member_state::active && !found->is_lost;
}
bool world::is_gone(node_id node) const {
    const auto found = std::ranges::find(input.nodes, node, &placement_node::node);
    return found == input.nodes.end() || found->state == member_state::removed || found->is_lost;
}
std::size_t world::active_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(input.nodes, [this](const auto& n) { return is_active(n.node); }));
}
std::size_t world::target() const {
    return std::min<std::size_t>(std::max(1U, input.replication_factor), active_count());
}

std::map<std::uint32_t, int> world::loads(bool of_primaries) const {
    std::map<std::uint32_t, int> all;
    for (const placement_node& n : input.nodes)
        if (is_active(n.node)) all[n.node.value] = 0;
    for (const placed_shard& s : input.shards) {
        for (const node_id node : s.config.replicas)
            if (!of_primaries && is_active(node)) ++all[node.value];
        if (of_primaries && is_active(s.config.primary)) ++all[s.config.primary.value];
    }
    return all;
}

std::string world::zone_of(node_id node) const {
    const auto found = std::ranges::find(input.nodes, node, &placement_node::node);
    return found->zone.empty() ? "#" + std::to_string(node.value) : found->zone;
}
std::map<std::string, std::size_t> world::active_zones() const {
    std::map<std::string, std::size_t> zones;
    for (const placement_node& n : input.nodes)
        if (is_active(n.node)) ++zones[zone_of(n.node)];
    return zones;
}
std::size_t world::live_in_sync(const shard_config& config) const {
    return static_cast<std::size_t>(std::ranges::count_if(config.in_sync, [&](node_id n) { return !is_gone(n); }));
}
// Nobody is left who has all of it: no plan can help.
bool world::is_orphaned(const shard_config& config) const { return live_in_sync(config) == 0; }

void world::check_plan(const std::vector<placement_step>& plan) const {
    std::set<shard_id> shards;
    BOOST_TEST(plan.size() <= input.steps_max);
    for (const placement_step& step : plan) {
        BOOST_TEST(shards.insert(step.shard).second, "two steps for shard " << step.shard.value);
        BOOST_TEST(!step.why.empty());
    }
}

void world::carry_out(const placement_step& step) {
    shard_config& c = config(step.shard);
    const std::size_t had = live_in_sync(c);
    BOOST_TEST_CONTEXT(words(step)) {
        switch (step.kind) {
        case step_kind::add_replica:
            BOOST_TEST(is_active(step.node));
            BOOST_REQUIRE(!has(c.replicas, step.node));
            for (const node_id n : c.replicas) BOOST_TEST((!is_active(n) || has(c.in_sync, n)), "one at a time");
            insert(c.replicas, step.node);
            ++count_.copies;
            break;
        case step_kind::remove_replica:
            BOOST_REQUIRE(has(c.replicas, step.node));
            BOOST_REQUIRE((step.node != c.primary));
            std::erase(c.replicas, step.node);
            std::erase(c.in_sync, step.node);
            ++count_.removals;
            break;
        case step_kind::move_primary:
            BOOST_REQUIRE((step.node != c.primary));
            BOOST_REQUIRE(has(c.in_sync, step.node));
            BOOST_TEST(!is_gone(step.node));
            if (!is_gone(c.primary)) BOOST_TEST(is_active(step.node));
            c.primary = step.node;
            ++c.epoch;
            ++count_.handovers;
            break;
        }
        ++c.version;
        BOOST_TEST(validate(c).has_value());
        BOOST_TEST(live_in_sync(c) >= std::min(target(), had));
    }
}

// Learners need somebody to learn from.
void world::come_in_sync() {
    for (placed_shard& s : input.shards)
        for (const node_id node : s.config.replicas)
            if (!is_gone(node) && !is_gone(s.config.primary) && !has(s.config.in_sync, node))
                insert(s.config.in_sync, node);
}

movement world::settle(std::size_t rounds_max) {
    count_ = {};
    constexpr std::size_t rounds_told = 12; // a circle is shorter
    std::string last;
    for (std::size_t round = 0;; ++round) {
        come_in_sync();
        const auto plan = plan_placement(input);
        check_plan(plan);
        if (plan.empty()) break;
        if (round + rounds_told >= rounds_max)
            for (const placement_step& step : plan) last += "\n" + std::to_string(round) + ": " + words(step);
        BOOST_REQUIRE_MESSAGE(round < rounds_max, "still moving after " << round << " rounds:" << last);
        for (const placement_step& step : plan) carry_out(step);
    }
    check_settled();
    return count_;
}

movement world::settle_hesitantly(std::mt19937_64& random, std::size_t rounds_max) {
    count_ = {};
    for (std::size_t round = 0; round < rounds_max; ++round) {
        auto plan = plan_placement(input);
        check_plan(plan);
        std::ranges::shuffle(plan, random);
        for (const placement_step& step : plan)
            if (random() % 2 == 0) carry_out(step);
        for (placed_shard& s : input.shards)
            for (const node_id node : s.config.replicas)
                if (random() % 3 == 0 && !is_gone(node) && !is_gone(s.config.primary) &&
                    !has(s.config.in_sync, node))
                    insert(s.config.in_sync, node);
    }
    return count_;
}

void world::check_settled() const {
    BOOST_TEST(plan_placement(input).empty());
    if (active_count() == 0) return;
    for (const placed_shard& s : input.shards) {
        if (is_orphaned(s.config)) continue;
        BOOST_TEST_CONTEXT("shard " << s.shard.value) {
            BOOST_TEST(s.config.replicas.size() == target());
            BOOST_TEST((s.config.in_sync == s.config.replicas));
            for (const node_id n : s.config.replicas) BOOST_TEST(is_active(n), "node-" << n.value);
            check_zones(s.config);
        }
    }
    if (std::ranges::any_of(input.shards, [this](const auto& s) { return is_orphaned(s.config); })) return;
    check_loads();
    check_primaries();
}

// As even as the zones' sizes allow: no replica could go where there are two fewer.
void world::check_zones(const shard_config& config) const {
    std::map<std::string, std::size_t> held;
    for (const auto& [zone, size] : active_zones()) held[zone] = 0;
    for (const node_id n : config.replicas) ++held[zone_of(n)];
    if (active_zones().size() >= target())
        for (const auto& [zone, count] : held) BOOST_TEST(count <= 1U, zone << " holds " << count);
    for (const auto& [zone, size] : active_zones())
        for (const auto& [other, count] : held)
            if (held[zone] < size) BOOST_TEST(count <= held[zone] + 1, other << " against " << zone);
}

// Where there are zones enough, each shard takes at most one place in a zone, which therefore holds at most as many
// as there are shards; what a full zone cannot take falls to the others.
void world::check_loads() const {
    const auto all = loads();
    const auto zones = active_zones();
    if (zones.size() < target() || input.shards.empty()) return;
    const std::size_t shards = input.shards.size(), places = shards * target();
    const auto room = [&](std::size_t level) {
        std::size_t sum = 0;
        for (const auto& [zone, size] : zones) sum += std::min(shards, size * level);
        return sum;
    };
    std::size_t most = 0, widest = 0;
    while (room(most) < places) ++most;
    for (const auto& [zone, size] : zones) widest = std::max(widest, size);
    const std::size_t least = std::min(room(most) == places ? most : most - 1, shards / widest);
    for (const auto& [node, load] : all) {
        BOOST_TEST(load <= static_cast<int>(most), "node-" << node << " holds " << load << ", not " << most);
        BOOST_TEST(load >= static_cast<int>(least), "node-" << node << " holds " << load << ", not " << least);
    }
}

void world::check_primaries() const {
    const auto all = loads(true);
    if (spread_of(loads()) <= 1) {
        BOOST_TEST(spread_of(all) <= 1, "primaries differ by " << spread_of(all));
        return;
    }
    std::vector<const shard_config*> shards;
    for (const placed_shard& s : input.shards) shards.push_back(&s.config);
    const int most = std::ranges::max_element(all, {}, [](const auto& n) { return n.second; })->second;
    if (most > 0) BOOST_TEST(!can_lead(shards, static_cast<std::size_t>(most) - 1), most << " primaries on a node");
}

} // namespace coppice::placement_test
