// The journal as an actor: gathers what is proposed while it waits for the disk, and hands what a commit asks for
// to its shard. See group_commit.hpp for what it does with a batch.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/journal/group_commit.hpp"
#include "actors/supervision/actor_tree.hpp"

namespace coppice {

struct journal_state {
    std::unique_ptr<group_commit> commits;
    std::vector<proposal_ptr> waiting;
    std::size_t waiting_commands = 0;
    std::size_t waiting_bytes = 0;
    bool capacity_changed = false; // plan even when nothing was proposed
    instant wake_at = never;       // when the pending journal_wake comes; never: none is pending
    tree_handle card;
};

// Spawn it detached. `shard`: where `committed` goes; its relay, since the shard may restart on its own.
journal_handle::behavior_type journal_actor(journal_handle::stateful_pointer<journal_state> self, tree_handle card,
                                            journal_options options, shard_handle shard);

// How edges and actors propose: the gate that bounds what is under way, and the journal. Copyable; any thread.
class journal_port {
  public:
    journal_port(journal_handle journal, std::shared_ptr<inflight_gate> gate)
        : journal_(std::move(journal)), gate_(std::move(gate)) {}
    // At the bound the proposal is refused with `overloaded` at once, in this thread.
    void propose(const proposal_ptr& p) const;
    const journal_handle& journal() const { return journal_; }
    const inflight_gate& gate() const { return *gate_; }

  private:
    journal_handle journal_;
    std::shared_ptr<inflight_gate> gate_;
};

} // namespace coppice
