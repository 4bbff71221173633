// Carries out what the placement wants of the shards that this node leads: one step a shard at a time, made anew
// from what the control store says. A step that cannot be done at the moment is simply wanted again the next time.
//
// Threads: any, one call at a time. Owned by cluster_side.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/membership/member_keeper.hpp"
#include "cluster/placement/planner.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

struct cluster_placer_options {
    node_id self{};
    std::uint32_t min_in_sync = 1; // a replica goes only while so many others are in sync
    // How long each member that is not linked now has been silent, as seen from here. Empty: nobody is.
    std::function<std::map<node_id, milliseconds>()> silences;
    milliseconds lost_after{}; // of silence
    std::function<void(shard_id, std::vector<node_id>)> want_replicas;
    std::function<void(shard_id, node_id)> hand_over;
    logger log;
};

class cluster_placer {
  public:
    explicit cluster_placer(cluster_placer_options options) : options_(std::move(options)) {}

    void place(const std::vector<kept_member>& members,
               const std::vector<std::pair<shard_id, shard_config>>& configs);

  private:
    placement_input input_of(const std::vector<kept_member>& members,
                             const std::vector<std::pair<shard_id, shard_config>>& configs) const;
    void carry_out(const placement_step& step, const shard_config& config);
    bool is_needed(const placement_step& step, const placement_input& input, const shard_config& config) const;
    void tell(const placement_step& step);

    const cluster_placer_options options_;
    std::mutex mutex_;
    std::map<shard_id, placement_step> told_; // so that a step that takes a while is logged once
};

} // namespace coppice
