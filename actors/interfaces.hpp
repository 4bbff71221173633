// The map of the system: every actor's typed handle, what it takes, and what comes of it. Messages: messages.hpp.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <optional>

#include "actors/messages.hpp"

namespace coppice {

// Orders, applies and commits (actors/journal). Detached: it waits for the disk.
using journal_handle = caf::typed_actor<
    // Answered through the proposal: results after commit; overloaded, storage_full or unknown_outcome instead.
    caf::reacts_to<propose>,
    // Workers come and go; waiting jobs start as soon as there are slots.
    caf::reacts_to<worker_attached>, caf::reacts_to<worker_draining>, caf::reacts_to<worker_detached>,
    // To itself: a timer is due, or starts were left over.
    caf::reacts_to<journal_wake>>;

// Runs attempts: the exec actor (runtime/executors) or the session of a remote worker (runtime/edge).
using executor_handle = caf::typed_actor<
    // Run these; reports are proposed to the journal.
    caf::reacts_to<assign>,
    // Ask it to stop; it reports within its grace, or is revoked.
    caf::reacts_to<cancel_attempt>,
    // Kill it; it is not the executor's any more.
    caf::reacts_to<revoke_attempt>,
    // Answered through the message: which of a shard's attempts it holds.
    caf::reacts_to<present_attempts>>;

// Guards one running attempt (actors/jobs/job_actor): its timeouts, heartbeat and cancel.
using job_handle = caf::typed_actor<
    // The job is to be cancelled: ask the executor, and after the grace take the attempt away.
    caf::reacts_to<attempt_cancelled>,
    // The attempt's heartbeat.
    caf::reacts_to<attempt_heard>,
    // It is over: the actor ends.
    caf::reacts_to<attempt_over>,
    // A time that it asked for has come; the cancel's grace is over (to itself).
    caf::reacts_to<deadline_reached>, caf::reacts_to<grace_over>,
    // Development only.
    caf::reacts_to<fail_on_purpose>>;

// An executor introduces itself to the shard, and leaves.
struct executor_up {
    worker_id worker;
    executor_handle handle;
    // Of the shard's attempts those that it holds: others that run under its name are lost. Nothing: its name is
    // new.
    std::optional<std::vector<attempt_ref>> holds = {};
};
struct executor_down {
    worker_id worker;
    milliseconds grace{}; // how long its attempts wait for it to come back
};
// A job actor runs again after a failure; it is addressed here from now on.
struct job_up {
    attempt_ref ref;
    job_handle handle;
};

// Where executors introduce themselves: the shard's scheduler, or on a node of a cluster the router, which passes
// it on to the node that has the scheduler.
using executor_port = caf::typed_actor<caf::reacts_to<executor_up>, caf::reacts_to<executor_down>,
                                       // The attempt is alive.
                                       caf::reacts_to<attempt_heard>>;

// Carries out what commits ask for (actors/jobs/shard_actor): wakes executors and job actors.
using shard_handle =
    caf::typed_actor<caf::reacts_to<committed>, caf::reacts_to<executor_up>, caf::reacts_to<executor_down>,
                     // A worker's time to come back is over: what still runs under it is lost.
                     caf::reacts_to<worker_expired>,
                     // Passed on to the attempt's job actor.
                     caf::reacts_to<attempt_heard>,
                     // From job actors: here I am (again); wake me then.
                     caf::reacts_to<job_up>, caf::reacts_to<deadline_wanted>,
                     // From job actors: passed on to whoever runs the attempt now.
                     caf::reacts_to<cancel_attempt>,
                     // To itself.
                     caf::reacts_to<shard_wake>, caf::reacts_to<growth_due>, caf::reacts_to<lines_were_stored>,
                     caf::reacts_to<start_completed>>;

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::executor_up> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::executor_down> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::job_up> : std::true_type {};
} // namespace caf
