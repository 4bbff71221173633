// The shard's scheduler as an actor: carries out what commits ask for. It hands started attempts to their
// executors, grows a job actor for each that lasts under its tenant's supervisor (shard_actor_growth.hpp), wakes
// them at their deadlines, and passes on ends and cancels. All of it is rebuilt from the running rows when it
// starts.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "actors/jobs/job_actor.hpp"
#include "actors/jobs/start_completion.hpp"

namespace coppice {

struct shard_options {
    store* data = nullptr;
    shard_id shard{};
    journal_port journal;
    std::function<instant()> clock = wall_clock_now;
    relay_ptr tenants; // a dynamic supervisor; a child for each tenant: the dynamic supervisor of its job actors
    milliseconds reattach_grace = limits::worker_reattach_grace; // for the workers of an earlier life
    milliseconds local_grace{0}; // for executors of nodes: on a node alone they ended with the earlier life
    milliseconds grow_after{50}; // how long an attempt goes on before it has a job actor
    result_port results;         // empty: no result store
};

// The template of the supervisor at `tenants`; a tenant's child is the dynamic supervisor of its job
// actors, each of which is started with an attempt_watch_ptr.
dynamic_spec tenant_supervisors(const std::shared_ptr<const job_actor_options>& options);

struct shard_state {
    struct tenant_subtree {
        caf::actor supervisor;            // null: being started
        bool growing = false;             // it is starting job actors
        std::vector<attempt_ref> waiting; // to be grown next
    };
    struct young_attempts {
        instant due; // for their actors
        tenant_id tenant;
        std::vector<attempt_ref> refs;
    };
    struct live_attempt {
        attempt_watch_ptr watch;
        worker_id worker; // who runs it now
        job_handle actor; // null: too young, being started, or waiting for it
        instant deadline = never;
        bool starting = false; // its supervisor is asked for the actor
        bool over = false;     // it ended while its actor was being started
        bool cancelled = false;
        bool heard = false;   // its worker said that it lives
        bool overdue = false; // a deadline passed while it had no actor
    };
    std::unordered_map<worker_id, executor_handle> executors;
    std::unordered_map<tenant_id, tenant_subtree> tenants;
    std::deque<young_attempts> young;        // in order of `due`
    std::unordered_set<attempt_ref> storing; // whose lines are on their way to the result store
    std::unordered_map<attempt_ref, live_attempt> live;
    std::set<std::pair<instant, attempt_ref>> deadlines;
    instant wake_at = never;
    tree_handle card;
    tenant_book book{shard_id{}}; // declarations, read when the shard rebuilds itself
};

shard_handle::behavior_type shard_actor(shard_handle::stateful_pointer<shard_state> self, tree_handle card,
                                        shard_options options);

// A shard's part of the node's tree; `address` is the scheduler's. It mends nothing by itself: executors introduce
// themselves to a scheduler once, so one that fails has forgotten them, and all who did so must start anew. Whoever
// places it lets a failure go up to where the executors are, after it in a rest_for_one.
supervisor_spec shard_tree(const shard_options& scheduler, const std::shared_ptr<const job_actor_options>& jobs,
                           const relay_ptr& address);

} // namespace coppice
