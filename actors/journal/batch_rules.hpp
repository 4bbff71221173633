// What every journal does with a batch, whether it commits alone (group_commit) or with other nodes
// (cluster/replication): whom it refuses when there is no room, and what it has to propose itself. Pure.
#pragma once

#include <optional>
#include <vector>

#include "actors/jobs/shard_machine.hpp"
#include "actors/journal/proposal.hpp"

namespace coppice {

// Refuses with storage_full, and takes out, what brings new work.
void refuse_growing(std::vector<proposal_ptr>& proposals);
// Refuses with storage_full, and takes out, everything.
void refuse_for_room(std::vector<proposal_ptr>& proposals);

// What a shard's journal itself has to propose at `now`: timers that are due, schedules whose time has come (where
// there is `room` for new work), events of the feed beyond `events_kept`.
std::vector<proposal_ptr> upkeep_of(const shard_machine& machine, std::optional<instant> due, instant now,
                                    std::uint64_t events_kept, bool room = true);

// Applies a proposal's entry within the machine's batch. False: no sound message, or another number of commands
// than the proposal says; what was applied of it must not be committed.
bool apply_proposal(const proposal& p, shard_machine& machine, batch_output& out);
// The same for the entry's bytes, however many commands they hold.
bool apply_entry(kj::ArrayPtr<const capnp::word> entry, shard_machine& machine);

// Each proposal is answered with the results of its commands, in order.
void answer_all(const std::vector<proposal_ptr>& proposals, batch_output& out);

} // namespace coppice
