// The node's own executor as an actor: attempts of types with executor exec run as subprocesses, those with
// executor http as requests. It owns the two runners, turns assignments into programs, and proposes what they
// report. A report that the store has no room for is proposed again until it has.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <set>

#include "actors/governance/catalog.hpp"
#include "actors/jobs/shard_actor.hpp"
#include "runtime/executors/exec_runner.hpp"
#include "runtime/executors/http_runner.hpp"
#include "runtime/observability/log.hpp"
#include "runtime/results/result_desk.hpp"

namespace coppice {

struct exec_actor_options {
    exec_config runner;
    exec_rlimits rlimits;
    std::uint32_t slots = limits::exec_slots_default;
    worker_id worker;
    journal_port journal;
    executor_port shard;
    std::shared_ptr<catalog_board> board;
    logger log;
    std::function<bool()> keeps_checkpoints; // whether every node does by now; empty: yes
    std::shared_ptr<result_desk> results;    // null: no result store
    milliseconds stop_grace = limits::shutdown_grace_default;
};

// The attempts that the executor answers for: from their assignment until their last report is answered.
class held_attempts {
  public:
    void take(const attempt_ref& ref);
    void release(const attempt_ref& ref);
    std::vector<attempt_ref> of(shard_id shard) const;

  private:
    mutable std::mutex mutex_;
    std::set<attempt_ref> refs_;
};

// Assigned, but this node has not heard yet of the type: it was declared at another node a moment ago.
struct unstarted_attempt {
    assignment work;
    std::chrono::steady_clock::time_point give_up;
};

struct exec_state {
    tree_handle card;
    std::map<attempt_ref, unstarted_attempt> unstarted;
    std::shared_ptr<held_attempts> held = std::make_shared<held_attempts>();
    std::unique_ptr<exec_runner> runner;
    std::unique_ptr<http_runner> http;
};

// Reports that were refused for want of room, to be proposed again; to itself.
struct report_again {
    std::shared_ptr<std::vector<attempt_report>> reports;
};
// Some types may be known by now; to itself.
struct start_again {};
using exec_handle = executor_handle::extend<caf::reacts_to<report_again>, caf::reacts_to<start_again>>;

// Needs a thread of its own only to stop: spawn it detached.
exec_handle::behavior_type exec_actor(exec_handle::stateful_pointer<exec_state> self, tree_handle card,
                                      std::shared_ptr<const exec_actor_options> options);

// One report as a command.
void write_report(const attempt_report& report, worker_id worker, cmd::Report::Builder to);

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::report_again> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::start_again> : std::true_type {};
} // namespace caf
