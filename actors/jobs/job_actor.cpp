#include "actors/jobs/job_actor.hpp"

#include <caf/send.hpp>
#include <stdexcept>

#include "actors/jobs/job_keys.hpp"
#include "actors/journal/entry_builder.hpp"
#include "persistence/record.hpp"

namespace coppice {
namespace {

using job_pointer = job_handle::stateful_pointer<job_state_of_actor>;
using job_options_ptr = std::shared_ptr<const job_actor_options>;

constexpr milliseconds job_retry_pause{500}; // before a refused proposal is made again

// Proposes that the attempt is over. Refused for want of room, it comes back with the same message later; a stale
// answer means that somebody else ended it first, which is as good.
template <class Again>
void take_away(job_pointer self, const job_actor_options& options, const attempt_watch& watch,
               cmd::Report::Outcome outcome, errc code, const std::string& text, Again again) {
    caf::actor_system& system = self->system();
    caf::weak_actor_ptr me = self->ctrl();
    const auto done = [me, again, &system](std::span<command_result> results) {
        if (!describe(results.front().code).retryable) return;
        if (const auto strong = me.lock())
            system.clock().schedule_message(system.clock().now() + job_retry_pause, strong,
                                            caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, again));
    };
    options.journal.propose(make_proposal(watch.ref.job.shard(), 1, false, done, [&](auto commands) {
        write_ending(watch.ref, outcome, code, text, commands[0].initReport());
    }));
}

void take_away_if_expired(job_pointer self, const job_options_ptr& options, const attempt_watch& watch) {
    const attempt_guard& guard = *self->state.guard;
    if (const auto code = guard.expired(options->clock())) {
        return take_away(self, *options, watch, cmd::Report::Outcome::TIMED_OUT, *code,
                         std::string{describe(*code).sentence}, deadline_reached{});
    }
    if (const auto next = guard.next_deadline()) self->send(options->shard, deadline_wanted{watch.ref, *next});
}

void ask_cancel(job_pointer self, const job_actor_options& options, const attempt_watch& watch) {
    if (!self->state.guard->ask_cancel()) return;
    self->send(options.shard, cancel_attempt{watch.ref, watch.cancel_grace});
    // The executor kills at the end of the grace and says so; this is for one that doesn't.
    self->delayed_send(self, watch.cancel_grace + job_retry_pause, grace_over{});
}

// After a failure: what was said to the former incarnation is in the row.
void recover(job_pointer self, const job_options_ptr& options, const attempt_watch& watch) {
    self->send(options->shard, job_up{watch.ref, self});
    const auto tables = options->data->begin_read();
    const auto stored = tables->get(table::jobs, keys::job(watch.ref.job));
    if (!stored) return self->quit();
    record_reader<rec::JobRow> reader;
    const auto row = reader.read(*stored);
    if (row.getState() != job_state::RUNNING || row.getAttempt() != watch.ref.attempt) return self->quit();
    self->state.guard->heard(options->clock());
    if (row.getCancelRequested()) ask_cancel(self, *options, watch);
    take_away_if_expired(self, options, watch);
}

} // namespace

job_handle::behavior_type job_actor(job_pointer self, job_options_ptr options, attempt_watch_ptr watch) {
    self->state.guard.emplace(watch->deadlines);
    if (watch->incarnations.fetch_add(1) > 0) recover(self, options, *watch);
    return {
        [self, options, watch](const attempt_cancelled&) { ask_cancel(self, *options, *watch); },
        [self, options](const attempt_heard&) { self->state.guard->heard(options->clock()); },
        [self](const attempt_over&) { self->quit(); },
        [self, options, watch](deadline_reached) { take_away_if_expired(self, options, *watch); },
        [self, options, watch](grace_over) {
            take_away(self, *options, *watch, cmd::Report::Outcome::CANCELLED, errc::cancelled,
                      "did not stop within its grace", grace_over{});
        },
        [options](fail_on_purpose) {
            if (options->may_fail_on_purpose) throw std::runtime_error("asked to fail");
        },
    };
}

} // namespace coppice
