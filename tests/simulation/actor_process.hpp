// A node's process with all of its actors: the tree that runtime/node grows on a node of a cluster (journal,
// router, the shards' schedulers and job actors, executors of other nodes, under their supervisors), in one thread,
// on the node's own clock, in an order that the seed draws. Not in it: the edge and its workers' sessions, the
// declared things' actor, and the exec actor, for which an executor of the scenario stands.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "cluster/peers/peer_outbox.hpp"
#include "runtime/node/node_tree.hpp"
#include "tests/simulation/sim_disk.hpp"
#include "tests/simulation/sim_process.hpp"

namespace coppice::testing {

// What the scenario is told of one process.
struct actor_process_options {
    sim_disk* data = nullptr;
    sim_disk* log = nullptr;
    std::mt19937_64* random = nullptr;         // draws who of the actors is next
    std::function<std::uint64_t()> first_call; // of the router
    // Some actor of the tree ended with a failure; none does, unless the process is killed.
    std::function<void(const std::string&)> on_failure;
    // The executor that is attached to this process, what it is told.
    worker_id worker;
    std::uint32_t slots = 4;
    std::function<void(const assign&)> assigned = [](const assign&) {};
    std::function<void(const attempt_ref&)> cancelled = [](const attempt_ref&) {};
    std::function<void(const attempt_ref&)> revoked = [](const attempt_ref&) {};
    std::function<std::vector<attempt_ref>(shard_id)> holds = [](shard_id) { return std::vector<attempt_ref>{}; };
};

class actor_process final : public sim_process {
  public:
    actor_process(replicated_journal_options journal, actor_process_options options);
    ~actor_process() override;

    replicated_journal* journal() override;
    void link_up(node_id node) override;
    void link_down(node_id node) override;
    void configured(shard_id shard, const shard_config& config) override;
    void config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                         const std::optional<shard_config>& there) override;
    void receive(node_id from, channel on, const bytes& frame) override;
    void propose(const proposal_ptr& p) override;
    void tick() override {}
    void run() override;
    instant next_wake() override;

    // `done` once the tables here may be read: they have all that was acknowledged before.
    void read(shard_id shard, std::function<void(expected<void>)> done);
    // The paths of the job actors that there are.
    std::vector<std::string> job_actors() const;

  private:
    struct config : caf::actor_system_config {
        config() { set("scheduler.policy", caf::atom("testing")); }
    };
    void grow(replicated_journal_options journal);
    void run_actors();
    void pass_time();

    const actor_process_options options_;
    const std::function<instant()> steady_;
    config config_;
    caf::actor_system system_{config_};
    caf::scheduler::test_coordinator& scheduler_ =
        dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
    instant passed_; // how far the actors' clock has come, by the node's
    supervision_ptr environment_;
    std::shared_ptr<peer_outbox> outbox_;
    std::shared_ptr<replica_board> board_;
    std::shared_ptr<inflight_gate> gate_ = std::make_shared<inflight_gate>();
    peer_inbox inbox_;
    std::map<shard_id, shard_config> configs_;
    std::set<node_id> linked_;
    std::unique_ptr<node_addresses> addresses_;
    caf::actor root_, executor_;
    caf::actor journal_; // the present incarnation
};

} // namespace coppice::testing
