#include "actors/journal/journal_actor.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

namespace coppice {
namespace {

using pointer = journal_handle::stateful_pointer<journal_state>;

constexpr std::uint32_t overloaded_retry_ms = 50;
constexpr milliseconds full_store_pause{200}; // before timers and starts are tried again on a store without room

// Asks to be woken when the next timer is due, at once when starts were left over, unless an earlier wake is
// pending.
void arrange_wake(pointer self, instant now, const batch_output* output) {
    journal_state& s = self->state;
    auto due = s.commits->next_due();
    if (output != nullptr && output->starts_left) due = now;
    if (due && output == nullptr) due = std::max(*due, now + full_store_pause);
    if (s.commits->starts_held_back()) due = std::min(due.value_or(instant::max()), now + full_store_pause);
    if (!due || (s.wake_at != never && s.wake_at <= *due)) return;
    s.wake_at = *due;
    const auto wait = std::max(*due - now, microseconds{0});
    self->delayed_send(self, wait, journal_wake{});
}

void run_batch(pointer self, const journal_options& options, const shard_handle& shard) {
    journal_state& s = self->state;
    const instant now = options.clock();
    std::ranges::move(s.commits->upkeep(now, s.waiting.size()), std::back_inserter(s.waiting));
    auto batch = std::move(s.waiting);
    s.waiting = {};
    s.waiting_commands = s.waiting_bytes = 0;
    s.capacity_changed = false;
    const auto output = s.commits->run(std::move(batch));
    if (output && output->asks_for_something()) self->send(shard, committed{output});
    arrange_wake(self, now, output.get());
}

void tell_workers(pointer self, const journal_options& options) {
    if (options.on_workers) options.on_workers(self->state.commits->machine().pool());
}

// Called at the end of every handler: runs a batch once nothing more waits in the mailbox, or enough was gathered.
void run_when_ready(pointer self, const journal_options& options, const shard_handle& shard) {
    const journal_state& s = self->state;
    const bool full =
        s.waiting_commands >= limits::batch_commands_max || s.waiting_bytes >= limits::batch_bytes_max;
    if (!full && !self->mailbox().empty()) return;
    if (s.waiting.empty() && !s.capacity_changed) return;
    run_batch(self, options, shard);
}

} // namespace

void journal_port::propose(const proposal_ptr& p) const {
    if (!p->enter(gate_))
        return p->refuse({errc::overloaded, "too much is on its way to the journal", overloaded_retry_ms});
    caf::anon_send(journal_, coppice::propose{p});
}

journal_handle::behavior_type journal_actor(pointer self, tree_handle card, journal_options options,
                                            shard_handle shard) {
    self->state.card = std::move(card);
    self->state.commits = std::make_unique<group_commit>(options);
    self->send(self, journal_wake{});
    const auto ready = [self, options, shard] { run_when_ready(self, options, shard); };
    const auto changed = [self, options] { tell_workers(self, options); };
    changed(); // a journal that starts again knows none
    return {
        [self, ready](const propose& message) {
            journal_state& s = self->state;
            s.waiting_commands += message.what->commands();
            s.waiting_bytes += message.what->bytes();
            s.waiting.push_back(message.what);
            ready();
        },
        [self, ready, changed](const worker_attached& message) {
            self->state.commits->machine().attach_worker(message.worker, message.types, message.slots,
                                                         message.tenant, message.labels);
            self->state.capacity_changed = true;
            changed();
            ready();
        },
        [self, ready, changed](const worker_draining& message) {
            self->state.commits->machine().drain_worker(message.worker);
            self->state.capacity_changed = true; // what was for this worker alone may go elsewhere
            changed();
            ready();
        },
        [self, ready, changed](const worker_detached& message) {
            self->state.commits->machine().detach_worker(message.worker);
            self->state.capacity_changed = true;
            changed();
            ready();
        },
        [self, ready](journal_wake) {
            self->state.wake_at = never;
            self->state.capacity_changed = true;
            ready();
        },
    };
}

} // namespace coppice
