// Where replicas and primaries of shards should be, said as single steps from where they are.
//
// Intuition: of what holds each shard now, the planner picks the set that should remain, fills it up, and then
// looks for chains of moves that make the nodes' loads more even (layout.hpp). What differs from now is the plan.
// It is made anew from the state each time and keeps nothing, so it does not matter how much of it was carried out,
// by whom, or what changed meanwhile; carrying out is somebody else's work (a change of the shard's configuration
// by compare-and-swap, a copy to a learner, a handover).
//
// Invariants: a plan has at most one step for a shard and at most `steps_max`; the same input gives the same plan.
// A shard whose replica is catching up is left alone. A replica goes only when all that should remain are in sync,
// so the shard never has fewer in sync than min(factor, active nodes, what it had). Balance moves only what makes
// two loads that differ by two or more differ by less, so a plan carried out leads to a state whose plan is empty.
//
// Pure; any thread. Called by the member that holds the planner's lease, and by tests and simulation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/membership/member.hpp"
#include "cluster/replication/shard_config.hpp"
#include "schema/limits.hpp"

namespace coppice {

// The highest replication factor: two fewer than a shard's list takes, so that there is room for replacements.
inline constexpr std::size_t replication_factor_max = limits::replicas_max - 2;

struct placement_node {
    node_id node{};
    std::string zone; // empty: a zone of its own
    member_state state = member_state::active;
    // Silent for longer than the caller is willing to wait: as if removed, until it is back. Shorter silences are
    // not the planner's business; a replica that is merely behind is waited for.
    bool is_lost = false;
};

struct placed_shard {
    shard_id shard{};
    shard_config config;
};

struct placement_input {
    std::vector<placement_node> nodes;    // each once, in any order
    std::vector<placed_shard> shards;     // each once, valid as shard_config.hpp says
    std::uint32_t replication_factor = 3; // wanted; taken as 1 to replication_factor_max
    std::size_t steps_max = limits::placement_steps_default;
};

enum class step_kind : std::uint8_t {
    add_replica,    // `node` is to hold the shard: a learner first
    remove_replica, // `node` is to hold it no longer; it is not the primary
    move_primary,   // `node`, which is in sync, is to lead it
};
std::string_view to_string(step_kind kind);

struct placement_step {
    shard_id shard{};
    step_kind kind = step_kind::add_replica;
    node_id node{};
    std::string why; // for a person

    bool operator==(const placement_step&) const = default;
};

// What to do next, the most urgent first:
//   1 give a shard whose primary is gone another         5 part replicas that share a zone needlessly
//   2 replace replicas that are missing                  6 drop replicas that have been replaced
//   3 take primaries off draining nodes                  7 even out replicas
//   4 replace replicas on draining nodes                 8 even out primaries, once nothing else is to be done
std::vector<placement_step> plan_placement(const placement_input& input);

// Configurations for shards 0 to `shard_count` - 1 that nobody holds yet: epoch 1, all in sync, as even and as
// spread as the nodes allow. Empty without an active node.
std::vector<placed_shard> place_initially(const std::vector<placement_node>& nodes, std::uint32_t shard_count,
                                          std::uint32_t replication_factor);

} // namespace coppice
