// The waiting jobs of one tenant and type whose starts are bounded by key (concurrency_spec): which of them may
// start, without a look at all those that may not.
//
// The queue is read once, from its head. A job whose key is full is set aside in the lane of its key, and the read
// goes on behind it; when the key has room again, the first job of its lane is next to be looked at, at its own
// place. So a thousand jobs of one full key cost one look each, and delay no other key.
//
//     queue:  a1 a2 a3 | a4 b1 ...    a's key is full, and the queue was read up to the bar
//     lanes:  a: a1 a2 a3             next: a4 would join its lane, b1 may start
//
// A lane may wait for one worker alone, its home, which has no slot for it (wait_for). All that wait for the same
// one are looked at again, in their order, when it may have: `look_again_at`. Until then they cost nothing, however
// many they are.
//
// Invariants: every waiting job up to `read_to` is in its key's lane; a lane that may start now and holds a job is
// in `open`, or in `at_home` of its home; one that holds jobs and that only its rate keeps from it is in `shut`, by
// the time at which it opens. A home is in `roomy` only if lanes are at it.
//
// A cache of the tables and of this primary's starts: rates are metered in memory. Pure; not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "actors/jobs/job_type_spec.hpp"
#include "schema/ids.hpp"

namespace coppice {

class key_lanes {
  public:
    using key = std::uint64_t; // a hash of the field's value
    struct place {
        std::uint64_t rank = 0;
        job_id id;
        auto operator<=>(const place&) const = default;
    };
    struct waiting {
        place at;
        key of = 0;
    };

    // Whoever waited for one worker waits for any.
    void set_bounds(const concurrency_spec& bounds, instant now);

    // A job began to wait; waits no more.
    void entered(const place& at, key of, instant now);
    void left(const place& at, key of, instant now);
    void started(key of, instant now);
    // Counts one that ran before this was made; its start is not metered.
    void runs(key of) { ++lanes_[of].running; }
    void ended(key of, instant now);

    // The last place that was read, and what was found at the next.
    const place& read_to() const { return read_to_; }
    bool may_start(key of, instant now) const;
    void set_aside(const waiting& job, instant now);

    // The job's key waits for this worker alone, which has no slot for it now; for any one again.
    void wait_for(const waiting& job, worker_id home, instant now);
    void wait_for_any(key of, instant now);
    // The worker may have slots again, or be gone.
    void look_again_at(worker_id home);
    // Those that keys wait for.
    std::vector<worker_id> homes() const;

    // The first job that was set aside and may start now, as far as is known here.
    std::optional<waiting> first_open(instant now);
    // When a lane opens that only its rate holds now.
    std::optional<instant> opens_at() const;
    // How many jobs wait that may not start; none when any of those that were read may.
    std::size_t shut_out() const { return open_.empty() && roomy_.empty() ? aside_ : 0; }

  private:
    struct lane {
        std::uint32_t running = 0;
        start_meter meter;
        std::set<place> jobs;
        worker_id home{};            // the only one that its jobs may start at; 0: any
        std::optional<place> open;   // as it stands in `open_`, or in `at_home_` of its home
        std::optional<instant> shut; // as it stands in `shut_`, or, when it holds no job, in `fading_`
    };
    bool has_room(const lane& l) const { return bounds_.running_max == 0 || l.running < bounds_.running_max; }
    void enter_open(key of, lane& l);
    void leave_open(key of, lane& l);
    void rehome(key of, lane& l, worker_id home, instant now);
    // Puts the lane where it belongs after a change of it; forgets one of which nothing is to be known.
    void settle(key of, lane& l, instant now);
    void open_due(std::set<std::pair<instant, key>>& held, instant now);

    concurrency_spec bounds_;
    place read_to_;
    std::unordered_map<key, lane> lanes_;
    using in_order = std::set<std::pair<place, key>>;
    in_order open_;
    std::unordered_map<worker_id, in_order> at_home_;
    std::set<worker_id> roomy_; // homes whose first lane was not refused since they changed
    std::set<std::pair<instant, key>> shut_;
    std::set<std::pair<instant, key>> fading_; // nothing waits or runs, but their meters still count
    std::size_t aside_ = 0;
};

} // namespace coppice
