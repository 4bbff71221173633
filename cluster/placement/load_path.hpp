// The cheapest chain of moves that takes one unit of load from a node and leaves it, in the end, on one that has at
// least two less. Nodes between give one and get one, so their load stays as it is.
//
// A direct move is a chain of one; longer ones are needed where zones, or who is in sync, forbid the direct one. As
// in a minimum-cost flow with convex costs, loads are as even as they can be when no such chain is left. Pure.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace coppice::placement {

struct load_move {
    std::size_t from = 0, to = 0; // nodes
    std::size_t shard = 0;
};

inline constexpr int no_part = -1; // the load of a node that takes no part

// `edges(node, visit)` calls visit(to, shard, cost) with cost 0 or 1 for each move away from the node that is
// allowed by itself. The moves stand from the source on; none when there is no chain. `done`: nodes from which
// nothing that is light enough can be reached; a search that fails adds those that it saw, and sources are tried by
// falling load, so that later searches need not look at them again.
template <class Edges>
std::optional<std::vector<load_move>> find_path(std::span<const int> loads, std::size_t source,
                                                std::vector<bool>& done, Edges edges) {
    struct reached {
        int cost = -1; // not yet
        load_move last;
    };
    std::vector<reached> known(loads.size());
    std::vector<bool> seen = done;
    std::deque<std::size_t> open{source};
    std::optional<std::size_t> best;
    const auto is_better = [&](std::size_t node) {
        return loads[node] <= loads[source] - 2 &&
               (!best || known[node].cost < known[*best].cost ||
                (known[node].cost == known[*best].cost && loads[node] < loads[*best]));
    };
    known[source].cost = 0;
    while (!open.empty()) {
        const std::size_t at = open.front();
        open.pop_front();
        // What costs as much as the best already leads to nothing cheaper.
        if (best && known[at].cost >= known[*best].cost) break;
        if (seen[at]) continue;
        seen[at] = true;
        edges(at, [&](std::size_t to, std::size_t shard, int cost) {
            const int total = known[at].cost + cost;
            if (loads[to] == no_part || seen[to] || (known[to].cost >= 0 && known[to].cost <= total)) return;
            known[to] = {total, {at, to, shard}};
            if (is_better(to)) best = to;
            if (cost == 0)
                open.push_front(to);
            else
                open.push_back(to);
        });
    }
    if (!best) {
        done = std::move(seen);
        return std::nullopt;
    }
    std::vector<load_move> path;
    for (std::size_t at = *best; at != source; at = path.back().from) path.push_back(known[at].last);
    return std::vector<load_move>{path.rbegin(), path.rend()};
}

} // namespace coppice::placement
