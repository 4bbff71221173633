// The picture that a plan is made in: nodes and shards by index, and for each shard the `chosen` nodes that should
// hold it in the end, which are all active and as many as the factor says.
//
// It is made in the order of the functions: choose from who holds a shard now, fill up, part what shares a zone,
// even out. Choosing among those who hold a shard costs nothing, so that is done to the end before anything that
// costs a copy is considered. That is why a plan that was half carried out is continued and not undone: what was
// added makes the more even choice one among holders.
//
// Internal to cluster/placement. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/placement/load_path.hpp"
#include "cluster/placement/planner.hpp"

namespace coppice::placement {

using index = std::size_t;
inline constexpr index nowhere = static_cast<index>(-1);

enum class node_role : std::uint8_t {
    usable, // may get replicas and primaries
    fading, // draining or joining: keeps what it has until that is elsewhere
    gone,   // removed, lost or unknown: what it has counts for nothing
};

struct layout_node {
    node_id id{};
    node_role role = node_role::gone;
    index zone = 0;
    std::vector<index> shards; // whose chosen it is among; sorted
    int primaries = 0;
};

// Why a shard that lacks nothing is to be copied, and what the loads were that asked for it.
enum class move_reason : std::uint8_t { none, spread, even };
struct reason_of_move {
    move_reason kind = move_reason::none;
    index from = nowhere, to = nowhere; // the ends of the chain, for `even`; who shares a zone, for `spread`
    int from_load = 0, to_load = 0;
    std::size_t order = 0; // in which copies are to be made, for `even`
};

struct layout_shard {
    shard_id id{};
    std::vector<index> holders; // sorted, as all lists of nodes
    std::vector<index> in_sync;
    index primary = nowhere;
    std::vector<index> chosen;
    // Held by as many as it should be, all of them usable and in sync, and not moved yet.
    bool is_settled = false;
    // Another holder was chosen for it as a part of a chain that costs copies of other shards. It gives nothing up
    // until those are made: else what it gave up would be wanted back as soon as the chain is looked at again.
    bool awaits_copies = false;
    reason_of_move reason;

    bool is_held_by(index node) const;
    bool is_in_sync(index node) const;
    bool is_chosen(index node) const;
};

// A primary's way to another node, and how many each end of its chain led.
struct primary_move {
    index shard = 0, node = 0;
    reason_of_move reason;
};

class layout {
  public:
    explicit layout(const placement_input& input);

    void choose();                         // among holders
    void fill();                           // up to target()
    void part_zones();                     // of settled shards: one copy each
    void even_out_free();                  // what costs no copy
    void even_out(std::size_t copies_max); // of settled shards: one copy each
    // Where another of the holders would do as well, keeps the one that leads. What came before does not look at
    // who leads (but for what costs a copy), so a handover changes no choice and is not made twice.
    void keep_leaders();
    // Of settled shards; what is to be carried out first stands first.
    std::vector<primary_move> even_out_primaries();

    // The chosen hold their shards now, in sync, and the least busy of them leads: for shards that nobody held.
    void take_as_held();

    std::size_t target() const { return target_; }
    const std::vector<layout_node>& nodes() const { return nodes_; }
    const std::vector<layout_shard>& shards() const { return shards_; }
    bool is_usable(index node) const { return nodes_[node].role == node_role::usable; }
    // Some usable holder is catching up; the shard waits for it.
    bool is_busy(const layout_shard& s) const;
    // Of `among`, the one that leads least.
    index best_leader(const layout_shard& s, const std::vector<index>& among) const;
    void lead_by(index shard, index node);

    // Puts nodes in another order for each shard, so that what one node loses is spread over all others.
    static std::uint64_t tie_break(shard_id shard, node_id node);

  private:
    void add_shard(const placed_shard& placed);
    index index_of(node_id id);
    void put(index shard, index node);
    void take(index shard, index node);
    int load(index node) const { return static_cast<int>(nodes_[node].shards.size()); }
    std::vector<int> loads(bool of_primaries) const;
    std::size_t in_zone(const layout_shard& s, index zone) const;
    bool keeps_spread(const layout_shard& s, index from, index to) const;
    int cost_of(const layout_shard& s, index from, index to) const;
    index least_needed(const layout_shard& s) const;
    index best_addition(const layout_shard& s) const;
    void part_zones_of(index shard);
    void keep_leader(index shard);
    std::vector<std::optional<load_move>> reach_freely(index source) const;
    bool even_out_once(bool with_copies);
    bool apply(const std::vector<load_move>& path, bool with_copies);

    std::vector<layout_node> nodes_;
    std::vector<layout_shard> shards_;
    std::size_t target_ = 0;
    std::size_t copies_ = 0; // that even_out has asked for
};

} // namespace coppice::placement
