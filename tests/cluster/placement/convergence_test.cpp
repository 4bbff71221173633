// From any state of any cluster, plans lead to a state that needs none.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "placement_world.hpp"

using namespace coppice;
using namespace coppice::placement_test;

namespace {

class chance {
  public:
    explicit chance(std::uint64_t seed) : random_(seed) {}
    std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
    std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    std::mt19937_64& engine() { return random_; }

  private:
    std::mt19937_64 random_;
};

std::uint64_t first_seed() {
    const char* given = std::getenv("COPPICE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}
int histories(int normally) { return std::getenv("COPPICE_SEED") != nullptr ? 1 : normally; }

std::vector<placement_node> random_nodes(chance& c) {
    std::vector<placement_node> nodes;
    const std::uint32_t zones = c.below(6);
    for (std::uint32_t n = 1, last = c.between(1, 12); n <= last; ++n) {
        placement_node node = active(n, zones == 0 || c.one_in(9) ? "" : "zone-" + std::to_string(c.below(zones)));
        if (c.one_in(6)) node.state = static_cast<member_state>(c.below(member_state_count));
        node.is_lost = c.one_in(12);
        nodes.push_back(std::move(node));
    }
    return nodes;
}

shard_config random_config(chance& c, std::uint32_t node_count) {
    shard_config config{1, 1, {}, {}, {}};
    std::vector<node_id> all;
    for (std::uint32_t n = 1; n <= node_count + 1; ++n) all.push_back(node_id{n}); // the last one is unknown
    std::ranges::shuffle(all, c.engine());
    all.resize(std::min<std::size_t>(all.size(), c.between(1, 6)));
    config.in_sync.assign(all.begin(), all.begin() + c.between(1, static_cast<std::uint32_t>(all.size())));
    config.primary = config.in_sync.front();
    config.replicas = all;
    std::ranges::sort(config.in_sync);
    std::ranges::sort(config.replicas);
    return config;
}

world random_world(chance& c) {
    world w;
    w.input.nodes = random_nodes(c);
    w.input.replication_factor = c.between(1, 5);
    w.input.steps_max = c.one_in(4) ? 1 : c.between(1, 30);
    for (std::uint32_t s = 0, count = c.below(50); s < count; ++s)
        w.input.shards.push_back({shard_id{static_cast<std::uint16_t>(s)},
                                  random_config(c, static_cast<std::uint32_t>(w.input.nodes.size()))});
    return w;
}

// Each shard is filled, emptied of what is in the way, parted, evened out and led anew, some of it twice.
std::size_t rounds_for(const world& w) {
    return 10 + w.input.shards.size() * (4 * std::size_t{limits::replicas_max} + 4);
}

void change_something(world& w, chance& c) {
    placement_node& node = w.input.nodes[c.below(static_cast<std::uint32_t>(w.input.nodes.size()))];
    switch (c.below(5)) {
    case 0:
        node.is_lost = !node.is_lost;
        break;
    case 1:
        node.state = member_state::draining;
        break;
    case 2:
        node.state = member_state::active;
        break;
    case 3:
        w.input.replication_factor = c.between(1, 5);
        break;
    default:
        if (w.input.nodes.size() < 14)
            w.input.nodes.push_back(active(static_cast<std::uint32_t>(100 + w.input.nodes.size()),
                                           c.one_in(2) ? "" : "zone-" + std::to_string(c.below(4))));
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(placement_convergence)

BOOST_AUTO_TEST_CASE(from_any_state_plans_lead_to_one_that_needs_none) {
    std::uint64_t seed = first_seed();
    for (int i = 0; i < histories(1500); ++i, ++seed) BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
            chance c{seed};
            world w = random_world(c);
            w.settle(rounds_for(w));
        }
}

// A primary kept its replica by a detour, free in itself, that was right only after copies that another chain made:
// what it took back was wanted again, for ever.
BOOST_AUTO_TEST_CASE(a_detour_for_a_primary_waits_for_the_copies_that_it_leans_on) {
    chance c{3461500930};
    world w = random_world(c);
    w.settle(rounds_for(w));
}

// A free move of one shard was a link in a chain whose copies came after it was taken back: for ever.
BOOST_AUTO_TEST_CASE(a_chain_with_copies_to_make_takes_nothing_back_before_they_are_made) {
    chance c{4163120484};
    world w = random_world(c);
    w.settle(rounds_for(w));
}

BOOST_AUTO_TEST_CASE(plans_that_are_half_carried_out_while_things_change_lead_there_too) {
    std::uint64_t seed = first_seed();
    for (int i = 0; i < histories(400); ++i, ++seed) BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
            chance c{seed};
            world w = random_world(c);
            for (int change = 0; change < 6; ++change) {
                w.settle_hesitantly(c.engine(), c.below(8));
                change_something(w, c);
            }
            w.settle(rounds_for(w));
        }
}

BOOST_AUTO_TEST_CASE(a_large_cluster_is_planned_and_settles) {
    const auto members = active_nodes(limits::members_max, 4);
    world w{{members, place_initially(members, limits::shards_max, 3), 3, 256}};
    w.check_settled();
    const auto held = static_cast<std::size_t>(w.loads().at(7));
    w.node(7).is_lost = true;
    for (std::size_t done = 0; done < held;) {
        w.come_in_sync();
        const auto plan = plan_placement(w.input);
        BOOST_REQUIRE(!plan.empty());
        for (const placement_step& step : plan) {
            w.carry_out(step);
            if (step.kind == step_kind::add_replica) ++done;
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
