// One actor for each running attempt: it guards the attempt's deadlines and its cancel, and proposes to take it
// away when one is over. It holds nothing that must survive it: restarted after a failure, it reads its row and
// goes on.
#pragma once

#include <atomic>

#include "actors/interfaces.hpp"
#include "actors/jobs/attempt_guard.hpp"
#include "actors/journal/journal_actor.hpp"
#include "actors/supervision/supervisor_actor.hpp"

namespace coppice {

// What a job actor is started, and restarted, with.
struct attempt_watch {
    attempt_ref ref;
    worker_id worker;
    tenant_id tenant;
    std::string tenant_name;
    attempt_guard::spec deadlines;
    milliseconds cancel_grace{};
    mutable std::atomic<std::uint32_t> incarnations{0};
};
using attempt_watch_ptr = std::shared_ptr<const attempt_watch>;

struct job_actor_options {
    journal_port journal;
    shard_handle shard;
    store* data = nullptr; // to read its row after a failure
    std::function<instant()> clock;
    bool may_fail_on_purpose = false; // development only
    backoff_spec backoff{};           // of a job actor that keeps failing
};

struct job_state_of_actor {
    std::optional<attempt_guard> guard;
};

job_handle::behavior_type job_actor(job_handle::stateful_pointer<job_state_of_actor> self,
                                    std::shared_ptr<const job_actor_options> options, attempt_watch_ptr watch);

} // namespace coppice
