// How supervision is measured: crashes of one child, storms of crashes, children that come and go. Each starts an
// actor system of its own with two scheduler threads, and blocks. `supervision_bench` prints all of it,
// `node_bench` the promises.
#pragma once

#include <vector>

#include "actors/supervision/system_config_actor.hpp"

namespace coppice::bench {

struct crash_times {
    std::vector<double> crash_us; // from the crash to the answer
    std::vector<double> plain_us; // a request to a child that is well
};

// From the send of the message that crashes the child to the answer of its successor, as a caller sees it.
crash_times crash_to_answer(scheduling how, int rounds);
// The same within the actors' world, in microseconds: from the throw to the first breath of the successor.
std::vector<double> crash_to_running(scheduling how, int rounds);
// All children crash at once: restarts a second until all are back.
double storm(scheduling how, bool with_tree, int children);
// Children a second that are started, do one thing, and end.
double come_and_go(scheduling how, bool with_tree, int total, int batch);
// Nanoseconds for an entry of the actor tree, in and out.
double tree_entry_ns(int total);

} // namespace coppice::bench
