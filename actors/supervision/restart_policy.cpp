#include "actors/supervision/restart_policy.hpp"

#include <algorithm>

namespace coppice {

using action = supervisor_action;

std::uint32_t restart_policy::add(child_rules rules, instant now) {
    std::uint32_t child = 0;
    if (free_.empty()) {
        child = static_cast<std::uint32_t>(children_.size());
        children_.emplace_back();
    } else {
        child = free_.back();
        free_.pop_back();
        // The incarnation goes on counting, so that a late word of the index's last owner stays recognizable.
        const std::uint32_t incarnation = children_[child].incarnation;
        children_[child] = entry{};
        children_[child].incarnation = incarnation;
    }
    children_[child].rules = rules;
    if (mode_ == mode::running) want(child, now);
    return child;
}

void restart_policy::remove(std::uint32_t child) {
    unwant(child);
    children_[child].removed = true;
    free_.push_back(child);
}

std::optional<action> restart_policy::next(instant now) {
    if (auto due = overdue(now)) return due;
    if (blocked() || finished_) return std::nullopt;
    if (mode_ != mode::running) return next_of_shutdown(now);
    if (auto stop = next_stop(now)) return stop;
    return next_start(now);
}

std::optional<instant> restart_policy::wake_at() const {
    std::optional<instant> when;
    if (!deadlines_.empty()) when = deadlines_.begin()->first;
    if (mode_ == mode::running && !blocked() && !starts_.empty())
        when = when ? std::min(*when, starts_.begin()->first) : starts_.begin()->first;
    return when;
}

exit_verdict restart_policy::exited(std::uint32_t child, std::uint32_t incarnation, bool failed_, instant now,
                                    std::uint64_t random) {
    if (child >= children_.size()) return exit_verdict::ignored;
    entry& it = children_[child];
    if (it.incarnation != incarnation || it.now == phase::down) return exit_verdict::ignored;
    const bool told = it.now != phase::up || it.stop_asked || mode_ != mode::running;
    came_down(child);
    if (told) return exit_verdict::stopped;
    const bool again =
        it.rules.restart == restart_type::permanent || (it.rules.restart == restart_type::transient && failed_);
    if (again) return failed(child, now, random);
    it.wanted = false;
    it.removed = it.rules.restart == restart_type::temporary;
    return exit_verdict::ended;
}

exit_verdict restart_policy::start_failed(std::uint32_t child, instant now, std::uint64_t random) {
    entry& it = children_[child];
    came_down(child);
    if (mode_ != mode::running) return exit_verdict::stopped;
    if (all_at_once() && it.starts == 1) {
        it.wanted = false;
        return exit_verdict::ended;
    }
    if (it.starts == 1) {
        give_up();
        return exit_verdict::gave_up;
    }
    return failed(child, now, random);
}

void restart_policy::stop(std::uint32_t child) {
    unwant(child);
    ask_stop(child);
}

void restart_policy::restart(std::uint32_t child, instant now) {
    if (mode_ != mode::running || at(child).removed) return;
    children_[child].failures = 0;
    want(child, now);
    ask_stop(child);
}

void restart_policy::shut_down() {
    if (mode_ != mode::running) return;
    mode_ = mode::shutting_down;
    shutdown_cursor_ = children_.size();
    starts_.clear();
}

// ---- what is due
// ---------------------------------------------------------------------------------------------------

std::optional<action> restart_policy::overdue(instant now) {
    if (deadlines_.empty() || deadlines_.begin()->first > now) return std::nullopt;
    const std::uint32_t child = deadlines_.begin()->second;
    if (at(child).now == phase::stopping) return kill(child, now);
    const action given_up{action::kind::abandon, child, at(child).incarnation};
    came_down(child);
    return given_up;
}

std::optional<action> restart_policy::next_stop(instant now) {
    while (!stop_queue_.empty() && !blocked()) {
        const std::uint32_t child = stop_queue_.front();
        stop_queue_.pop_front();
        if (at(child).stop_asked && at(child).now == phase::up) return begin_stop(child, now);
    }
    return std::nullopt;
}

std::optional<action> restart_policy::next_start(instant now) {
    if (starts_.empty() || starts_.begin()->first > now) return std::nullopt;
    const std::uint32_t child = starts_.begin()->second;
    starts_.erase(starts_.begin());
    entry& it = children_[child];
    it.now = phase::up;
    it.started_at = now;
    it.start_at = never;
    ++it.incarnation;
    it.starts = std::min<std::uint32_t>(it.starts + 1, 2);
    return action{action::kind::start, child, it.incarnation};
}

std::optional<action> restart_policy::next_of_shutdown(instant now) {
    while (shutdown_cursor_ > 0) {
        const auto child = static_cast<std::uint32_t>(--shutdown_cursor_);
        if (at(child).now == phase::up) return begin_stop(child, now);
    }
    if (stopping_count_ > 0) return std::nullopt;
    finished_ = true;
    return action{action::kind::finish};
}

action restart_policy::begin_stop(std::uint32_t child, instant now) {
    entry& it = children_[child];
    ++stopping_count_;
    if (it.rules.shutdown == brutal_kill) return kill(child, now);
    it.now = phase::stopping;
    if (it.rules.shutdown != infinity) {
        it.deadline = now + it.rules.shutdown.grace;
        deadlines_.emplace(it.deadline, child);
    }
    return {action::kind::tell_exit, child, it.incarnation};
}

action restart_policy::kill(std::uint32_t child, instant now) {
    entry& it = children_[child];
    deadlines_.erase({it.deadline, child});
    it.now = phase::killed;
    it.deadline = now + limits::kill_wait;
    deadlines_.emplace(it.deadline, child);
    return {action::kind::kill, child, it.incarnation};
}

// ---- changes of one child
// ------------------------------------------------------------------------------------------

void restart_policy::came_down(std::uint32_t child) {
    entry& it = children_[child];
    if (it.now == phase::stopping || it.now == phase::killed) {
        --stopping_count_;
        deadlines_.erase({it.deadline, child});
        it.deadline = never;
    }
    it.now = phase::down;
    it.stop_asked = false;
    if (it.wanted && it.start_at != never && mode_ == mode::running) starts_.emplace(it.start_at, child);
}

void restart_policy::want(std::uint32_t child, instant when) {
    entry& it = children_[child];
    if (it.now == phase::down) starts_.erase({it.start_at, child});
    it.wanted = true;
    it.start_at = when;
    if (it.now == phase::down) starts_.emplace(when, child);
}

void restart_policy::unwant(std::uint32_t child) {
    entry& it = children_[child];
    starts_.erase({it.start_at, child});
    it.wanted = false;
    it.start_at = never;
}

void restart_policy::ask_stop(std::uint32_t child) {
    entry& it = children_[child];
    if (it.now != phase::up || it.stop_asked) return;
    it.stop_asked = true;
    stop_queue_.push_back(child);
}

// ---- failures
// ------------------------------------------------------------------------------------------------------

exit_verdict restart_policy::failed(std::uint32_t child, instant now, std::uint64_t random) {
    if (too_many(now)) {
        give_up();
        return exit_verdict::gave_up;
    }
    const instant when = after_backoff(children_[child], now, random);
    std::size_t first = child, last = child + std::size_t{1};
    if (rules_.strategy == strategy::one_for_all) first = 0;
    if (rules_.strategy == strategy::one_for_all || rules_.strategy == strategy::rest_for_one)
        last = children_.size();
    for (std::size_t i = last; i-- > first;) {
        const auto other = static_cast<std::uint32_t>(i);
        entry& it = children_[i];
        if (it.removed) continue;
        if (other != child && it.rules.restart == restart_type::temporary) {
            // OTP: a temporary child is taken down with its set and its spec forgotten.
            it.removed = true;
            stop(other);
            continue;
        }
        want(other, it.start_at != never ? std::max(it.start_at, when) : when);
        ask_stop(other);
    }
    return exit_verdict::restarting;
}

bool restart_policy::too_many(instant now) {
    while (!restarts_.empty() && now - restarts_.front() > rules_.intensity.period) restarts_.pop_front();
    restarts_.push_back(now);
    return restarts_.size() > rules_.intensity.restarts;
}

instant restart_policy::after_backoff(entry& child, instant now, std::uint64_t random) const {
    if (now - child.started_at >= rules_.backoff.stable) child.failures = 0;
    const std::uint32_t doublings = std::min<std::uint32_t>(child.failures++, 20);
    if (doublings == 0) return now;
    const std::uint64_t base_us = static_cast<std::uint64_t>(microseconds{rules_.backoff.base}.count());
    const std::uint64_t max_us = static_cast<std::uint64_t>(microseconds{rules_.backoff.max}.count());
    const std::uint64_t full = std::min(max_us, base_us << (doublings - 1));
    return now + microseconds{static_cast<std::int64_t>(full / 2 + random % (full - full / 2 + 1))};
}

void restart_policy::give_up() {
    shut_down();
    mode_ = mode::gave_up;
}

} // namespace coppice
