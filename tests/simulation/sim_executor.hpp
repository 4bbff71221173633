// The executor that is attached to one life of a node's process: it runs what it is handed for a while, reports
// until it is answered, lets go of what is revoked, and says what it holds when a new primary asks.
#pragma once

#include <map>
#include <set>

#include "tests/simulation/actor_process.hpp"
#include "tests/simulation/checkers.hpp"

namespace coppice::testing {

class sim_executor {
  public:
    sim_executor(sim_cluster& c, node_id node, worker_id worker, violations& found,
                 std::set<attempt_ref>& handed_out)
        : c_(c), node_(node), life_(c.at(node).life), worker_(worker), found_(found), handed_out_(handed_out) {}

    void assigned(const assign& m);
    void cancelled(const attempt_ref& ref);
    void revoked(const attempt_ref& ref) { held_.erase(ref); }
    std::vector<attempt_ref> holds(shard_id shard) const;
    bool is_idle() const { return held_.empty(); }

  private:
    bool lives() const { return c_.at(node_).life == life_; }
    void end(const attempt_ref& ref, bool well);
    void report(const attempt_ref& ref);

    sim_cluster& c_;
    const node_id node_;
    const std::uint64_t life_;
    const worker_id worker_;
    violations& found_;
    std::set<attempt_ref>& handed_out_; // by all nodes, ever
    struct run {
        std::optional<cmd::Report::Outcome> ended;
        bool hangs = false; // neither ends nor obeys
    };
    std::map<attempt_ref, run> held_;
};

} // namespace coppice::testing
