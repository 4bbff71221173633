// A cluster that does what it is planned, for the tests of the planner: it carries steps out one by one, checks
// each of them, and lets learners come in sync. And what a fixpoint must be, worked out another way than the
// planner does.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "cluster/placement/planner.hpp"

namespace coppice::placement_test {

struct movement {
    std::size_t copies = 0, removals = 0, handovers = 0;
    std::size_t total() const { return copies + removals + handovers; }
};

class world {
  public:
    world() = default;
    explicit world(placement_input start) : input(std::move(start)) {}

    placement_input input;

    // Plans and carries out until a plan is empty; fails the test when that takes more than `rounds_max`.
    movement settle(std::size_t rounds_max);
    // As above, but carries out a random part of each plan, in any order, and lets learners come in sync when they
    // like.
    movement settle_hesitantly(std::mt19937_64& random, std::size_t rounds_max);
    // Carries one step out, after checking that it may be.
    void carry_out(const placement_step& step);
    void come_in_sync();

    void check_plan(const std::vector<placement_step>& plan) const;
    void check_settled() const;

    placement_node& node(std::uint32_t number);
    shard_config& config(shard_id shard);
    bool is_active(node_id node) const;
    bool is_gone(node_id node) const;
    std::size_t active_count() const;
    std::size_t target() const;
    // Replicas (or primaries) of each active node.
    std::map<std::uint32_t, int> loads(bool of_primaries = false) const;

  private:
    void check_zones(const shard_config& config) const;
    void check_loads() const;
    void check_primaries() const;
    std::map<std::string, std::size_t> active_zones() const;
    std::string zone_of(node_id node) const;
    std::size_t live_in_sync(const shard_config& config) const;
    bool is_orphaned(const shard_config& config) const;
    movement count_;
};

placement_node active(std::uint32_t number, std::string zone = {});
// `count` nodes from 1 on, `zones` of them in turn; 0: each in its own.
std::vector<placement_node> active_nodes(std::uint32_t count, std::uint32_t zones = 0);
int spread_of(const std::map<std::uint32_t, int>& loads); // most minus least

} // namespace coppice::placement_test
