#include "cluster/placement/layout.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace coppice::placement {
namespace {

bool contains(const std::vector<index>& sorted, index value) { return std::ranges::binary_search(sorted, value); }
void insert(std::vector<index>& sorted, index value) {
    sorted.insert(std::ranges::lower_bound(sorted, value), value);
}
void erase(std::vector<index>& sorted, index value) { sorted.erase(std::ranges::lower_bound(sorted, value)); }

node_role role_of(const placement_node& node) {
    if (node.is_lost || node.state == member_state::removed) return node_role::gone;
    return node.state == member_state::active ? node_role::usable : node_role::fading;
}

// Sources of load, heaviest first.
std::vector<index> by_falling_load(const std::vector<int>& loads) {
    std::vector<index> order(loads.size());
    std::iota(order.begin(), order.end(), index{0});
    std::erase_if(order, [&](index node) { return loads[node] == no_part; });
    std::ranges::stable_sort(order, std::greater<>{}, [&](index node) { return loads[node]; });
    return order;
}

} // namespace

bool layout_shard::is_held_by(index node) const { return contains(holders, node); }
bool layout_shard::is_in_sync(index node) const { return contains(in_sync, node); }
bool layout_shard::is_chosen(index node) const { return contains(chosen, node); }

layout::layout(const placement_input& input) {
    std::map<std::string_view, index> zones;
    for (const placement_node& node : input.nodes) {
        layout_node added{node.node, role_of(node), nodes_.size(), {}, 0};
        nodes_.push_back(added);
    }
    // By number, so that the order in which nodes are given changes nothing.
    std::ranges::sort(nodes_, {}, &layout_node::id);
    for (const placement_node& node : input.nodes) {
        const index at = index_of(node.node);
        // An unnamed zone is named after its node, by an index that no named one has.
        nodes_[at].zone =
            node.zone.empty() ? input.nodes.size() + at : zones.try_emplace(node.zone, zones.size()).first->second;
    }
    const auto usable = std::ranges::count(nodes_, node_role::usable, &layout_node::role);
    const auto factor = std::clamp<std::size_t>(input.replication_factor, 1, replication_factor_max);
    target_ = std::min(factor, static_cast<std::size_t>(usable));
    std::vector<const placed_shard*> in_order;
    for (const placed_shard& shard : input.shards) in_order.push_back(&shard);
    std::ranges::sort(in_order, {}, &placed_shard::shard);
    for (const placed_shard* shard : in_order) add_shard(*shard);
    for (const layout_shard& s : shards_)
        if (s.primary != nowhere) ++nodes_[s.primary].primaries;
}

void layout::add_shard(const placed_shard& placed) {
    layout_shard s;
    s.id = placed.shard;
    for (const node_id node : placed.config.replicas) s.holders.push_back(index_of(node));
    for (const node_id node : placed.config.in_sync) s.in_sync.push_back(index_of(node));
    std::ranges::sort(s.holders);
    std::ranges::sort(s.in_sync);
    if (!s.holders.empty()) s.primary = index_of(placed.config.primary);
    s.is_settled = s.holders.size() == target_ && s.in_sync == s.holders &&
                   std::ranges::all_of(s.holders, [this](index node) { return is_usable(node); });
    shards_.push_back(std::move(s));
}

// A node that is not among the members is one that is gone; it is added behind all others.
index layout::index_of(node_id id) {
    const auto found = std::ranges::find(nodes_, id, &layout_node::id);
    if (found != nodes_.end()) return static_cast<index>(found - nodes_.begin());
    layout_node unknown;
    unknown.id = id;
    unknown.zone = nowhere;
    nodes_.push_back(std::move(unknown));
    return nodes_.size() - 1;
}

void layout::put(index shard, index node) {
    insert(shards_[shard].chosen, node);
    insert(nodes_[node].shards, shard);
}
void layout::take(index shard, index node) {
    erase(shards_[shard].chosen, node);
    erase(nodes_[node].shards, shard);
}

void layout::choose() {
    for (index shard = 0; shard < shards_.size(); ++shard)
        for (const index node : shards_[shard].holders)
            if (is_usable(node)) put(shard, node);
    for (index shard = 0; shard < shards_.size(); ++shard)
        while (shards_[shard].chosen.size() > target_) take(shard, least_needed(shards_[shard]));
}

// From the fullest zone, from the node with most.
index layout::least_needed(const layout_shard& s) const {
    const auto need = [&](index node) {
        return std::tuple{-static_cast<long>(in_zone(s, nodes_[node].zone)), -load(node),
                          tie_break(s.id, nodes_[node].id)};
    };
    return *std::ranges::min_element(s.chosen, {}, need);
}

void layout::fill() {
    for (index shard = 0; shard < shards_.size(); ++shard)
        while (shards_[shard].chosen.size() < target_) put(shard, best_addition(shards_[shard]));
}

index layout::best_addition(const layout_shard& s) const {
    const auto price = [&](index node) {
        return std::tuple{in_zone(s, nodes_[node].zone), load(node), tie_break(s.id, nodes_[node].id)};
    };
    index best = nowhere;
    for (index node = 0; node < nodes_.size(); ++node)
        if (is_usable(node) && !s.is_chosen(node) && (best == nowhere || price(node) < price(best))) best = node;
    return best;
}

void layout::part_zones() {
    for (index shard = 0; shard < shards_.size(); ++shard)
        if (shards_[shard].is_settled) part_zones_of(shard);
}

void layout::part_zones_of(index shard) {
    layout_shard& s = shards_[shard];
    const index to = best_addition(s);
    if (to == nowhere) return;
    index from = least_needed(s);
    const std::size_t crowd = in_zone(s, nodes_[from].zone);
    if (crowd < in_zone(s, nodes_[to].zone) + 2) return;
    const auto neighbour = std::ranges::find_if(
        s.chosen, [&](index node) { return node != from && nodes_[node].zone == nodes_[from].zone; });
    index stays = *neighbour;
    if (from == s.primary) std::swap(from, stays);
    s.reason = {move_reason::spread, from, stays, 0, 0};
    s.is_settled = false;
    take(shard, from);
    put(shard, to);
}

std::size_t layout::in_zone(const layout_shard& s, index zone) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(s.chosen, [&](index node) { return nodes_[node].zone == zone; }));
}

bool layout::keeps_spread(const layout_shard& s, index from, index to) const {
    const index away = nodes_[from].zone, towards = nodes_[to].zone;
    return away == towards || in_zone(s, towards) < in_zone(s, away);
}

// What is not held yet, or held already, costs no copy.
int layout::cost_of(const layout_shard& s, index from, index to) const {
    return s.is_held_by(to) || !s.is_held_by(from) ? 0 : 1;
}

std::vector<int> layout::loads(bool of_primaries) const {
    std::vector<int> all(nodes_.size(), no_part);
    for (index node = 0; node < nodes_.size(); ++node)
        if (is_usable(node)) all[node] = of_primaries ? nodes_[node].primaries : load(node);
    return all;
}

void layout::even_out_free() {
    while (even_out_once(false)) continue;
}

void layout::even_out(std::size_t copies_max) {
    copies_ = 0;
    while (copies_ < copies_max && even_out_once(true)) continue;
}

bool layout::even_out_once(bool with_copies) {
    const std::vector<int> now = loads(false);
    std::vector<bool> done(nodes_.size(), false);
    const auto edges = [&](index from, auto visit) {
        // To move a replica that leads would take a handover besides.
        for (const bool last : {false, true})
            for (const index shard : nodes_[from].shards) {
                const layout_shard& s = shards_[shard];
                if ((s.is_settled && s.primary == from) != last) continue;
                if (!with_copies && s.chosen == s.holders) continue;
                for (index to = 0; to < nodes_.size(); ++to) {
                    if (now[to] == no_part || s.is_chosen(to)) continue;
                    const int cost = cost_of(s, from, to);
                    if (cost > 0 && !(with_copies && s.is_settled)) continue;
                    if (keeps_spread(s, from, to)) visit(to, shard, cost);
                }
            }
    };
    // The cheapest chain of all, so that one that was begun, and costs less now, is ended before another begins.
    std::vector<std::vector<load_move>> paths;
    std::vector<std::size_t> costs;
    const std::vector<index> sources = by_falling_load(now);
    for (const index source : sources) {
        if (now[source] < now[sources.back()] + 2) break;
        if (done[source]) continue;
        auto path = find_path(now, source, done, edges);
        if (!path) continue;
        const auto copies = static_cast<std::size_t>(std::ranges::count_if(
            *path, [this](const load_move& m) { return cost_of(shards_[m.shard], m.from, m.to) > 0; }));
        if (copies <= 1 && apply(*path, with_copies)) return true;
        costs.push_back(copies);
        paths.push_back(std::move(*path));
    }
    std::vector<index> order(paths.size());
    std::iota(order.begin(), order.end(), index{0});
    std::ranges::stable_sort(order, {}, [&](index at) { return costs[at]; });
    return std::ranges::any_of(order, [&](index at) { return apply(paths[at], with_copies); });
}

// All of the chain or nothing: two of its moves may be of one shard, and forbid each other.
bool layout::apply(const std::vector<load_move>& path, bool with_copies) {
    const reason_of_move reason{move_reason::even, path.front().from, path.back().to, load(path.front().from),
                                load(path.back().to)};
    std::vector<index> copied;
    std::size_t applied = 0;
    for (const load_move& m : path) {
        layout_shard& s = shards_[m.shard];
        const int cost = cost_of(s, m.from, m.to);
        if (!s.is_chosen(m.from) || s.is_chosen(m.to) || !keeps_spread(s, m.from, m.to) ||
            (cost > 0 && !(with_copies && s.is_settled)))
            break;
        take(m.shard, m.from);
        put(m.shard, m.to);
        ++applied;
        if (cost == 0) continue;
        s.is_settled = false;
        s.reason = reason;
        copied.push_back(m.shard);
    }
    if (applied == path.size()) {
        // From the far end: so no node in between ever holds more than it does now.
        for (auto shard = copied.rbegin(); shard != copied.rend(); ++shard)
            shards_[*shard].reason.order = copies_++;
        // A chain that costs nothing itself may lean on one before it that does.
        for (const load_move& m : path)
            shards_[m.shard].awaits_copies =
                copied.empty() ? copies_ > 0 : std::ranges::find(copied, m.shard) == copied.end();
        return true;
    }
    while (applied > 0) {
        const load_move& m = path[--applied];
        take(m.shard, m.to);
        put(m.shard, m.from);
    }
    for (const index shard : copied) {
        shards_[shard].is_settled = true;
        shards_[shard].reason = {};
    }
    return false;
}

void layout::keep_leaders() {
    for (index shard = 0; shard < shards_.size(); ++shard) {
        const layout_shard& s = shards_[shard];
        if (s.primary != nowhere && is_usable(s.primary) && !s.is_chosen(s.primary)) keep_leader(shard);
    }
}

void layout::keep_leader(index shard) {
    const layout_shard& s = shards_[shard];
    const index leader = s.primary;
    const std::vector<std::optional<load_move>> reached = reach_freely(leader);
    for (const index other : std::vector<index>{s.chosen}) {
        if (!s.is_held_by(other) || !keeps_spread(s, other, leader)) continue;
        std::vector<load_move> chain{{other, leader, shard}};
        // Where the leader's node would have too much then, it gives something else away, and by a detour the other
        // node gets back what it lost.
        if (load(other) <= load(leader)) {
            if (!reached[other]) continue;
            for (index at = other; at != leader; at = chain.back().from) chain.push_back(*reached[at]);
        }
        if (apply(chain, false)) return;
    }
}

// For each node the last move of a chain from `source` to it that costs nothing and after which each shard still
// has its primary among the chosen.
std::vector<std::optional<load_move>> layout::reach_freely(index source) const {
    std::vector<std::optional<load_move>> reached(nodes_.size());
    std::vector<index> open{source};
    for (index i = 0; i < open.size(); ++i) {
        const index from = open[i];
        for (const index shard : nodes_[from].shards) {
            const layout_shard& s = shards_[shard];
            if (s.chosen == s.holders || s.primary == from || !s.is_chosen(s.primary)) continue;
            for (const index to : s.holders) {
                if (to == source || reached[to] || !is_usable(to) || s.is_chosen(to)) continue;
                if (!keeps_spread(s, from, to)) continue;
                reached[to] = load_move{from, to, shard};
                open.push_back(to);
            }
        }
    }
    return reached;
}

std::vector<primary_move> layout::even_out_primaries() {
    std::vector<primary_move> moves;
    for (bool found = true; found;) {
        found = false;
        const std::vector<int> now = loads(true);
        std::vector<std::vector<index>> led(nodes_.size());
        for (index shard = 0; shard < shards_.size(); ++shard)
            if (shards_[shard].is_settled) led[shards_[shard].primary].push_back(shard);
        const auto edges = [&](index from, auto visit) {
            for (const index shard : led[from])
                for (const index to : shards_[shard].in_sync)
                    if (to != from) visit(to, shard, 1);
        };
        std::vector<bool> done(nodes_.size(), false);
        for (const index source : by_falling_load(now)) {
            const auto path = done[source] ? std::nullopt : find_path(now, source, done, edges);
            if (!path) continue;
            const reason_of_move reason{move_reason::even, source, path->back().to, now[source],
                                        now[path->back().to]};
            // From the far end: so no node in between ever leads more than it does now.
            for (auto m = path->rbegin(); m != path->rend(); ++m) {
                moves.push_back({m->shard, m->to, reason});
                lead_by(m->shard, m->to);
                shards_[m->shard].is_settled = false;
            }
            found = true;
            break;
        }
    }
    return moves;
}

void layout::take_as_held() {
    for (index shard = 0; shard < shards_.size(); ++shard) {
        layout_shard& s = shards_[shard];
        s.holders = s.in_sync = s.chosen;
        s.is_settled = true;
        lead_by(shard, best_leader(s, s.chosen));
    }
}

bool layout::is_busy(const layout_shard& s) const {
    return std::ranges::any_of(s.holders, [&](index node) { return is_usable(node) && !s.is_in_sync(node); });
}

index layout::best_leader(const layout_shard& s, const std::vector<index>& among) const {
    return *std::ranges::min_element(among, {}, [&](index node) {
        return std::pair{nodes_[node].primaries, tie_break(s.id, nodes_[node].id)};
    });
}

void layout::lead_by(index shard, index node) {
    layout_shard& s = shards_[shard];
    if (s.primary != nowhere) --nodes_[s.primary].primaries;
    s.primary = node;
    ++nodes_[node].primaries;
}

// The finalizer of MurmurHash3: cheap, and every bit of the input moves every bit of the output.
std::uint64_t layout::tie_break(shard_id shard, node_id node) {
    std::uint64_t h = std::uint64_t{shard.value} << 32 | node.value;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

} // namespace coppice::placement
