// A node's process, as the simulation drives it: what comes from its peers, the control store and its clients. Two
// kinds: the journal alone (bare_process), and the node's whole tree of actors (actor_process.hpp).
#pragma once

#include "cluster/replication/replicated_journal.hpp"

namespace coppice::testing {

class sim_process {
  public:
    using channel = replicated_journal_options::channel;

    sim_process() = default;
    virtual ~sim_process() = default;
    sim_process(const sim_process&) = delete;
    sim_process& operator=(const sim_process&) = delete;

    // To look at, until something happens in the process; null: it has none at the moment.
    virtual replicated_journal* journal() = 0;

    // ---- what happens; `run` is called afterwards
    virtual void link_up(node_id node) = 0;
    virtual void link_down(node_id node) = 0;
    virtual void configured(shard_id shard, const shard_config& config) = 0;
    virtual void config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                                 const std::optional<shard_config>& there) = 0;
    virtual void receive(node_id from, channel on, const bytes& frame) = 0;
    virtual void propose(const proposal_ptr& p) = 0;
    virtual void tick() = 0; // the time has come that next_wake said
    // Does all that can be done now.
    virtual void run() = 0;
    // When it wants to be called though nothing happened, by the node's steady clock.
    virtual instant next_wake() = 0;
};

// The journal of all shards, called as its actor calls it.
class bare_process final : public sim_process {
  public:
    explicit bare_process(replicated_journal_options options) : journal_(std::move(options)) {}

    replicated_journal* journal() override { return &journal_; }
    void link_up(node_id node) override { journal_.link_up(node); }
    void link_down(node_id node) override { journal_.link_down(node); }
    void configured(shard_id shard, const shard_config& config) override { journal_.configured(shard, config); }
    void config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                         const std::optional<shard_config>& there) override {
        journal_.config_answered(shard, how, asked, there);
    }
    void receive(node_id from, channel, const bytes& frame) override { journal_.receive(from, frame); }
    void propose(const proposal_ptr& p) override { journal_.propose(p); }
    void tick() override { journal_.tick(); }
    void run() override { journal_.pump(); }
    instant next_wake() override { return journal_.next_wake(); }

  private:
    replicated_journal journal_;
};

} // namespace coppice::testing
