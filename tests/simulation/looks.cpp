#include "tests/simulation/looks.hpp"

#include <algorithm>

namespace coppice::testing {
namespace {

std::string list_of(const std::vector<node_id>& nodes) {
    std::string numbers;
    for (const node_id node : nodes) numbers += std::to_string(node.value) + " ";
    return numbers;
}

std::string state_of(const replica_slot& s) {
    std::string text = std::string{to_string(s.replica->role())} + ", epoch " + std::to_string(s.replica->epoch()) +
                       ", last " + std::to_string(s.replica->last().index) + ", applied " +
                       std::to_string(s.place.at.index) + ", cleared " + std::to_string(s.replica->cleared()) +
                       (s.diverged ? ", diverged" : "") + (s.installing ? ", installing" : "") +
                       (s.under_way ? ", an entry under way" : "");
    for (const auto& f : s.replica->followers())
        text += "; follower " + std::to_string(f.node.value) + " match " + std::to_string(f.match) +
                (f.counts ? " counts" : "") + (f.in_sync ? " in sync" : "") + (f.linked ? "" : " unlinked") +
                (f.snapshot ? " snapshot" : "") + (f.probing ? " probing" : "") + " next " + std::to_string(f.next);
    return text + (s.replica->awaits_config() ? ", awaits a configuration" : "");
}

} // namespace

bool everybody_in_sync(sim_cluster& c) {
    return std::ranges::all_of(c.shards(), [&](shard_id shard) {
        auto* p = c.primary_of(shard);
        return p != nullptr && p->journal->slots().at(shard).replica->config().in_sync.size() == c.nodes().size();
    });
}

bool all_have_applied_the_same(sim_cluster& c) {
    return std::ranges::all_of(c.shards(), [&](shard_id shard) {
        std::set<std::uint64_t> indexes;
        for (auto& [id, n] : c.nodes()) {
            if (!n.journal) return false;
            const replica_slot& s = c.slot(id, shard);
            if (s.under_way || s.installing) return false;
            indexes.insert(s.place.at.index);
        }
        return indexes.size() == 1;
    });
}

std::string state_of(sim_cluster& c) {
    std::string text;
    for (const shard_id shard : c.shards()) {
        const shard_config& config = c.control.configs.at(shard);
        text += "\nshard " + std::to_string(shard.value) + ": epoch " + std::to_string(config.epoch) + " primary " +
                std::to_string(config.primary.value) + " in sync " + list_of(config.in_sync) + " replicas " +
                list_of(config.replicas);
        for (auto& [id, n] : c.nodes())
            if (n.journal) text += "\n  node " + std::to_string(id.value) + ": " + state_of(c.slot(id, shard));
    }
    return text;
}

} // namespace coppice::testing
