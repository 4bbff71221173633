#include "runtime/node/cluster_placer.hpp"

#include <algorithm>

namespace coppice {

// Who is silent for long loses its copies to others, but only where there are enough of these: else nothing would
// be won, and a node that comes back has less to catch up with while it is still a replica.
placement_input cluster_placer::input_of(const std::vector<kept_member>& members,
                                         const std::vector<std::pair<shard_id, shard_config>>& configs) const {
    placement_input input;
    const auto silences = options_.silences ? options_.silences() : std::map<node_id, milliseconds>{};
    const auto is_lost = [&](const member& m) {
        const auto found = silences.find(m.number);
        return found != silences.end() && found->second >= options_.lost_after;
    };
    const auto others = std::ranges::count_if(
        members, [&](const kept_member& m) { return m.what.state == member_state::active && !is_lost(m.what); });
    const bool may_replace = others >= static_cast<std::ptrdiff_t>(input.replication_factor);
    for (const kept_member& m : members)
        if (m.what.state != member_state::joining)
            input.nodes.push_back({m.what.number, m.what.zone, m.what.state, may_replace && is_lost(m.what)});
    for (const auto& [shard, config] : configs)
        if (config.epoch > 0) input.shards.push_back({shard, config});
    return input;
}

void cluster_placer::place(const std::vector<kept_member>& members,
                           const std::vector<std::pair<shard_id, shard_config>>& configs) {
    const auto led = [this](const auto& each) { return each.second.primary == options_.self; };
    if (std::ranges::none_of(configs, led)) return;
    const placement_input input = input_of(members, configs);
    const std::lock_guard guard{mutex_};
    for (const placement_step& step : plan_placement(input)) {
        const auto found = std::ranges::find(input.shards, step.shard, &placed_shard::shard);
        if (found == input.shards.end() || found->config.primary != options_.self) continue;
        if (!is_needed(step, input, found->config)) carry_out(step, found->config);
    }
}

// The planner wants as many copies as there are active nodes. A node that drains goes on holding its own until
// there is another in its place: it may be back soon, and reads at it go on meanwhile. And no copy goes that writes
// need.
bool cluster_placer::is_needed(const placement_step& step, const placement_input& input,
                               const shard_config& config) const {
    if (step.kind != step_kind::remove_replica || !config.is_in_sync(step.node)) return false;
    const auto node = std::ranges::find(input.nodes, step.node, &placement_node::node);
    const bool drains = node != input.nodes.end() && node->state == member_state::draining;
    const std::size_t wanted = drains ? input.replication_factor : 0;
    return config.in_sync.size() <= std::max<std::size_t>(wanted, options_.min_in_sync);
}

void cluster_placer::carry_out(const placement_step& step, const shard_config& config) {
    tell(step);
    auto replicas = config.replicas;
    switch (step.kind) {
    case step_kind::add_replica:
        replicas.push_back(step.node);
        return options_.want_replicas(step.shard, std::move(replicas));
    case step_kind::remove_replica:
        std::erase(replicas, step.node);
        return options_.want_replicas(step.shard, std::move(replicas));
    case step_kind::move_primary:
        return options_.hand_over(step.shard, step.node);
    }
}

void cluster_placer::tell(const placement_step& step) {
    const auto [at, is_first] = told_.try_emplace(step.shard, step);
    if (!is_first && at->second == step) return;
    at->second = step;
    options_.log.info("placement", {{"shard", std::uint64_t{step.shard.value}},
                                    {"step", std::string{to_string(step.kind)}},
                                    {"node", std::uint64_t{step.node.value}},
                                    {"why", step.why}});
}

} // namespace coppice
