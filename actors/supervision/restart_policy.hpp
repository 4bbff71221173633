// What a supervisor does, without any actor: children end, starts fail, time passes; out come actions, one at a
// time.
//
// Intuition: each child is down, up, or on its way down, and may be wanted (with the time from which it may start).
// A failure wants a set of children down and then up again: that is all that tells the strategies apart. `next`
// does the one thing that is due now: first deadlines, then stops in reverse order, then starts in order. The
// caller carries it out, says how it went, and asks again, so no action is ever planned on a state that has passed.
//
// Invariants: but for simple_one_for_one, one child at a time is stopping and nothing starts meanwhile; a start
// comes after all stops of its set; children that wait to be started have times that do not decrease with their
// index, so they come up in order; what an incarnation does after it was given up is ignored. Source: Erlang/OTP
// supervisor(3) and Design Principles; see child_spec.hpp for backoff. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "actors/supervision/child_spec.hpp"

namespace coppice {

struct supervisor_action {
    enum class kind : std::uint8_t {
        start,     // then, if it failed, call start_failed
        tell_exit, // `incarnation` is to stop; its deadline runs
        kill,      // it did not, or has no grace
        abandon,   // it does not obey the kill either: go on without it
        finish,    // nothing runs any more, nothing will: the supervisor ends (gave_up() says how)
    };
    kind what;
    std::uint32_t child = 0;
    std::uint32_t incarnation = 0;
    bool operator==(const supervisor_action&) const = default;
};

enum class exit_verdict : std::uint8_t {
    ignored,    // not the present incarnation
    stopped,    // it was told to
    ended,      // by itself, and stays down
    restarting, // by itself, and is wanted up again
    gave_up,    // that was one too many
};

class restart_policy {
  public:
    explicit restart_policy(supervisor_rules rules) : rules_(rules) {}

    // A child, wanted up now. Indices count from 0; those of removed children are used again.
    std::uint32_t add(child_rules rules, instant now);
    // Forgets a child that is down (simple_one_for_one: a child that ended is of no further use).
    void remove(std::uint32_t child);

    // What to do now; nothing: wait for an input, or until wake_at().
    std::optional<supervisor_action> next(instant now);
    std::optional<instant> wake_at() const;

    // `random`: any, uniform over 64 bits. `failed`: the reason was neither normal nor shutdown.
    exit_verdict exited(std::uint32_t child, std::uint32_t incarnation, bool failed, instant now,
                        std::uint64_t random);
    // The start just told failed. A child's very first start: the supervisor gives up (OTP: init fails), or, with
    // simple_one_for_one, the child just stays down (`ended`: OTP: start_child answers with the error).
    exit_verdict start_failed(std::uint32_t child, instant now, std::uint64_t random);
    // At run time, one child: stop and stay down; or stop and start anew, not counted as a failure.
    void stop(std::uint32_t child);
    void restart(std::uint32_t child, instant now);
    // All children down, in reverse order, then finish.
    void shut_down();

    bool stopping() const { return mode_ != mode::running; }
    bool gave_up() const { return mode_ == mode::gave_up; }
    bool is_up(std::uint32_t child) const { return at(child).now != phase::down; }
    bool is_wanted(std::uint32_t child) const { return at(child).wanted; }
    bool is_first_start(std::uint32_t child) const { return at(child).starts == 1; }
    // When a waiting child will start.
    instant start_at(std::uint32_t child) const { return at(child).start_at; }
    std::uint32_t incarnation(std::uint32_t child) const { return at(child).incarnation; }
    std::size_t size() const { return children_.size() - free_.size(); }

  private:
    enum class phase : std::uint8_t { down, up, stopping, killed };
    enum class mode : std::uint8_t { running, shutting_down, gave_up };
    struct entry {
        child_rules rules;
        phase now = phase::down;
        bool wanted = false;     // up, or to be started at start_at
        bool stop_asked = false; // is in stop_queue_
        bool removed = false;    // temporary and ended: not part of any set any more
        std::uint32_t incarnation = 0;
        std::uint32_t failures = 0; // in a row
        std::uint32_t starts = 0;   // 0, 1, or more (2)
        instant started_at = never;
        instant start_at = never;
        instant deadline = never; // while stopping or killed; never: no end
    };
    using timers = std::set<std::pair<instant, std::uint32_t>>;

    const entry& at(std::uint32_t child) const { return children_[child]; }
    bool all_at_once() const { return rules_.strategy == strategy::simple_one_for_one; }
    bool blocked() const { return !all_at_once() && stopping_count_ > 0; }
    supervisor_action begin_stop(std::uint32_t child, instant now);
    supervisor_action kill(std::uint32_t child, instant now);
    std::optional<supervisor_action> overdue(instant now);
    std::optional<supervisor_action> next_stop(instant now);
    std::optional<supervisor_action> next_start(instant now);
    std::optional<supervisor_action> next_of_shutdown(instant now);
    void came_down(std::uint32_t child);
    void want(std::uint32_t child, instant when);
    void unwant(std::uint32_t child);
    void ask_stop(std::uint32_t child);
    bool too_many(instant now);
    instant after_backoff(entry& child, instant now, std::uint64_t random) const;
    exit_verdict failed(std::uint32_t child, instant now, std::uint64_t random);
    void give_up();

    const supervisor_rules rules_;
    std::vector<entry> children_;
    std::vector<std::uint32_t> free_;
    std::deque<std::uint32_t> stop_queue_; // to be told, in order
    timers starts_;                        // wanted and down
    timers deadlines_;                     // told or killed, and with an end
    std::deque<instant> restarts_;         // within the period
    std::size_t stopping_count_ = 0;       // told or killed
    std::size_t shutdown_cursor_ = 0;      // children below it were not yet told, when not running
    mode mode_ = mode::running;
    bool finished_ = false;
};

} // namespace coppice
