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

// What a shard's journal itself has to propose at `now`: timers that are due, `schedules_most` of the schedules
// whose time has come (0 where there is no room for new work), events of the feed beyond `events_kept`.
std::vector<proposal_ptr> upkeep_of(const shard_machine& machine, std::optional<instant> due, instant now,
                                    std::uint64_t events_kept,
                                    std::size_t schedules_most = limits::schedules_per_batch_max);

// How many schedules may run in a batch, so that thousands that are due at once hold nobody up. Batches that
// somebody waits for take some along, as many as make them a fifth longer; a batch of schedules alone, whose commit
// the next caller would have to wait for, is for times when nobody calls, or when others have left them no turn for
// a while. Schedules that are late by `late` are no longer polite.
class schedule_turns {
  public:
    static constexpr milliseconds quiet{20};   // nobody has called for so long: nobody is in the way
    static constexpr milliseconds patience{5}; // since the last turn, when somebody has
    static constexpr milliseconds late{1'000};

    // For the next batch, for which `waiting` proposals of others wait; `first_due`: when the first schedule is.
    std::size_t next(std::size_t waiting, instant now, std::optional<instant> first_due);
    // When a batch of schedules alone may run.
    instant not_before(std::optional<instant> first_due) const;
    void commit_took(microseconds time);

  private:
    std::size_t fit_ = limits::schedules_per_batch_min;
    instant called_at_{}, turn_at_{};
};

// When the journal has something to do though nobody proposed anything; schedules alone only in their turn.
std::optional<instant> next_due(const shard_machine& machine, read_tables& from, bool room,
                                const schedule_turns& turns);

// Applies a proposal's entry within the machine's batch. False: no sound message, or another number of commands
// than the proposal says; what was applied of it must not be committed.
bool apply_proposal(const proposal& p, shard_machine& machine, batch_output& out);
// The same for the entry's bytes, however many commands they hold.
bool apply_entry(kj::ArrayPtr<const capnp::word> entry, shard_machine& machine);

// Each proposal is answered with the results of its commands, in order.
void answer_all(const std::vector<proposal_ptr>& proposals, batch_output& out);

} // namespace coppice
