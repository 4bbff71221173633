// What a worker still owes the node: the attempts that run, what they said since the last report, and the outcomes
// that are not acknowledged yet.
//
// Intuition: a report is in one of three places: `ready` (to be sent), in a batch under way, or gone because the
// node answered. A broken session or a retryable refusal puts batches back in front of what is ready, in order; so
// an outcome is lost only with the process. What the node has already told us is not ours is dropped on sight.
//
// Invariants: at most one outcome an attempt; nothing of an attempt is sent after its outcome; lines of an attempt
// held here are at most limits::log_lines_per_attempt_max, the oldest dropped (a gap in their sequence).
// An attempt whose outcome is known at once (add_outcome without begin) costs no entry in the table.
//
// Pure: no clock, no I/O. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "schema/errc.hpp"

namespace coppice::client {

class report_book {
  public:
    using batch_id = std::uint64_t;

    struct counts {
        std::uint64_t acknowledged = 0;
        std::uint64_t stale = 0;
        std::uint64_t refused = 0;
    };

    // ---- attempts that take time
    // False when it runs already.
    bool begin(const attempt_ref& ref, milliseconds heartbeat_timeout, milliseconds cancel_grace);
    milliseconds grace(const attempt_ref& ref) const; // 0 when it does not run
    bool runs(const attempt_ref& ref) const { return attempts_.contains(ref); }
    std::size_t running() const { return attempts_.size(); }
    // It is not ours any more: what it says from now on is ignored. False when it did not run.
    bool drop(const attempt_ref& ref);
    std::vector<attempt_ref> all_running() const;
    void alive(const attempt_ref& ref);
    // Attempts with a heartbeat timeout; `only_alive`: of those, the ones that said so since the last call.
    std::vector<attempt_ref> heartbeats(bool only_alive);
    milliseconds shortest_heartbeat() const; // 0: none

    // ---- what they say
    // Ignored when the attempt does not run (taken away, ended).
    void add(attempt_report report);
    // The outcome of an attempt that never was in the table.
    void add_outcome(const attempt_ref& ref, attempt_outcome outcome);

    // ---- sending
    bool has_outcomes() const { return !ready_.empty(); }
    bool has_lines() const { return !talkative_.empty(); }
    // The next batch, at most so many reports, and outcomes first; empty when nothing is ready. It stays here until
    // `answered` or `put_back`. `bytes_max` holds but for a single report that is larger.
    batch_id take(std::size_t reports_max, std::size_t bytes_max);
    const std::vector<attempt_report>& batch(batch_id id) const { return under_way_.at(id); }
    // The node's answer to a batch, one failure a report (code ok: committed; fewer than reports: the rest is
    // retried). True when something is to be sent again. `taken_away` hears of running attempts that are stale.
    bool answered(batch_id id, const std::vector<failure>& answers,
                  const std::function<void(const attempt_ref&)>& taken_away);
    void put_back(batch_id id);
    void put_back_all();

    // ---- a new session
    // Everything that the node must know is ours: running, ready, under way.
    std::vector<attempt_ref> held() const;
    // `kept`: what of `presented` is ours still. The rest is dropped; those of it that run are returned.
    std::vector<attempt_ref> keep_only(const std::vector<attempt_ref>& presented,
                                       const std::vector<attempt_ref>& kept);

    std::size_t unacknowledged() const { return ready_.size() + outcomes_under_way_; }
    const counts& totals() const { return counts_; }

  private:
    struct attempt_entry {
        milliseconds heartbeat_timeout{};
        milliseconds cancel_grace{};
        bool said_alive = true;
        bool talks = false; // is in talkative_
        std::deque<log_line> lines;
        std::optional<progress> latest;
        std::string checkpoint;
    };

    void append(attempt_entry& to, std::vector<log_line>&& lines);
    void settle(attempt_report& report, const failure& answer, std::vector<attempt_report>& again,
                const std::function<void(const attempt_ref&)>& taken_away);
    void put_back(std::vector<attempt_report>&& reports);
    void talk(const attempt_ref& ref, attempt_entry& entry);
    static std::size_t weight(const attempt_report& report);

    std::unordered_map<attempt_ref, attempt_entry> attempts_;
    std::deque<attempt_report> ready_; // with an outcome, each
    std::deque<attempt_ref> talkative_;
    std::map<batch_id, std::vector<attempt_report>> under_way_;
    std::vector<std::vector<attempt_report>> spare_; // emptied batches, for their memory
    std::size_t outcomes_under_way_ = 0;
    batch_id last_batch_ = 0;
    counts counts_;
};

// A failure that the same report may not meet again later.
bool may_pass_later(errc code);

} // namespace coppice::client
