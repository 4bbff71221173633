// How Coppice runs CAF: in one place, so that the node, the tests and the benches run the same.
//
// `sharing` is one queue and a condition variable: an idle worker wakes at once. `stealing`, CAF's default, lets
// idle workers sleep up to 10 ms between looks, which a crash waits for before its restart (figures:
// bench/supervision_bench.cpp prints both).
#pragma once

#include <caf/actor_system_config.hpp>
#include <cstddef>

namespace coppice {

enum class scheduling { sharing, stealing };

// Must outlive the actor system made of it. `threads`: of the scheduler; detached actors have their own. No
// middleman, no log file, no configuration file: nothing is parsed from outside.
class system_config : public caf::actor_system_config {
  public:
    explicit system_config(std::size_t threads, scheduling how = scheduling::sharing) {
        set("scheduler.policy", how == scheduling::sharing ? caf::atom("sharing") : caf::atom("stealing"));
        set("scheduler.max-threads", threads);
        set("scheduler.max-throughput", messages_per_turn);
    }

    // An actor with a full mailbox gives way after this many, so that one flooded actor delays the others by no
    // more than some 100 us.
    static constexpr std::size_t messages_per_turn = 300;
};

} // namespace coppice
