// Group commit: everything that waits is applied in one write transaction, together with the starts that it makes
// possible, and committed once; only then is anybody told. Batch size follows load by itself: while one batch is on
// its way to the disk, the next one gathers.
//
// Synchronous and without actors; the journal actor calls it. One thread.
//
// When the store is full: new work is refused with storage_full before the map is (the reserve), reports and
// cancels still go in, and nothing starts; if even they don't fit, everybody is refused, nothing is changed, and
// the next batch tries again.
//
// An entry that is no sound message, or holds another number of commands than its proposal says, is a bug of this
// process. It is refused alone (message_invalid), and the batch is applied anew without it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "actors/jobs/shard_machine.hpp"
#include "actors/journal/batch_rules.hpp"
#include "actors/journal/proposal.hpp"
#include "persistence/tables.hpp"

namespace coppice {

// What an observer (metrics, watchers) may see of a commit, on the journal's thread, before the proposers are
// answered.
struct commit_report {
    const batch_output& output;
    std::size_t proposals = 0;
    std::size_t commands = 0;
    microseconds apply_time{};
    microseconds commit_time{};
    const shard_machine& machine;
};

struct journal_options {
    store* data = nullptr; // outlives the journal
    shard_id shard{};
    std::function<instant()> clock = wall_clock_now;
    std::function<void(const commit_report&)> on_commit; // must not block
    std::function<void(const slot_pool&)> on_workers; // workers came or went; on the journal's thread, as on_commit
    std::size_t starts_per_batch = limits::batch_commands_max;
    std::shared_ptr<start_valve> valve;              // null: starts are held back by nothing
    std::uint64_t events_kept = limits::events_kept; // of the feed; older ones are pruned
};

class group_commit {
  public:
    explicit group_commit(journal_options options);

    // Takes the proposals, answers each of them, and gives what the shard's actors must do; null when nothing was
    // committed. With no proposals it only plans starts.
    std::shared_ptr<const batch_output> run(std::vector<proposal_ptr> proposals);

    // What the journal itself has to propose at `now`, in a batch for which `waiting` proposals of others wait:
    // timers and schedules that are due, events beyond those that are kept.
    std::vector<proposal_ptr> upkeep(instant now, std::size_t waiting = 0);

    // When `run` should be called next though nobody proposed anything.
    std::optional<instant> next_due();

    // The last batch planned no starts because there was no room: nobody else says when there is some again.
    bool starts_held_back() const { return held_back_; }

    shard_machine& machine() { return machine_; }

  private:
    errc apply_all(const std::vector<proposal_ptr>& proposals, bool plan, batch_output& out);
    void roll_back();

    journal_options options_;
    shard_machine machine_;
    std::optional<instant> due_;
    schedule_turns turns_;
    bool held_back_ = false;
    std::size_t invalid_ = 0; // index of the proposal that could not be read, when apply_all says message_invalid
    microseconds apply_time_{};
    microseconds commit_time_{};
};

} // namespace coppice
