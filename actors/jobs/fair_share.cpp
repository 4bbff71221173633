#include "actors/jobs/fair_share.hpp"

#include <algorithm>

namespace coppice {
namespace {

// Fine enough to share fairly, coarse enough that thousands of tenants cost nothing.
constexpr milliseconds charge_step{10};

} // namespace

void fair_share::move_to(tenant_id t, entry& e, double virtual_time) {
    if (e.active) turns_.erase(turn_of(t, e));
    e.virtual_time = virtual_time;
    if (e.active) turns_.insert(turn_of(t, e));
}

void fair_share::set_active(tenant_id t, bool active) {
    entry& e = entries_[t];
    if (e.active == active) return;
    if (active) {
        // Slot-time may have carried all who wait past the last start.
        if (!turns_.empty()) floor_ = std::max(floor_, turns_.begin()->virtual_time);
        e.virtual_time = std::max(e.virtual_time, floor_);
        turns_.insert(turn_of(t, e));
    } else {
        turns_.erase(turn_of(t, e));
    }
    e.active = active;
}

void fair_share::set_weight(tenant_id t, std::uint32_t weight) { entries_[t].weight = std::max(weight, 1U); }

void fair_share::started(tenant_id t, std::uint32_t slots) {
    entry& e = entries_[t];
    floor_ = std::max(floor_, e.virtual_time);
    if (e.running == 0) holders_.insert(t);
    e.running += slots;
    if (e.active) turns_.erase(turn_of(t, e));
    e.last_start = ++starts_;
    e.virtual_time += static_cast<double>(slots) / e.weight;
    if (e.active) turns_.insert(turn_of(t, e));
}

void fair_share::ended(tenant_id t, std::uint32_t slots) {
    entry& e = entries_[t];
    if (e.running == 0) return;
    e.running -= std::min<std::uint64_t>(e.running, slots);
    if (e.running == 0) holders_.erase(t);
}

void fair_share::passed_over(tenant_id t) {
    entry& e = entries_[t];
    if (e.virtual_time < floor_ - credit_max) move_to(t, e, floor_ - credit_max);
}

void fair_share::charge(instant now) {
    if (charged_ == never || now < charged_) charged_ = now;
    if (now - charged_ < charge_step) return;
    const auto elapsed = std::chrono::duration<double>(now - charged_).count();
    charged_ = now;
    double furthest = 0;
    for (const tenant_id t : holders_) {
        entry& e = entries_[t];
        move_to(t, e, e.virtual_time + elapsed * static_cast<double>(e.running) / e.weight);
        furthest = std::max(furthest, e.virtual_time);
    }
    // While nobody waits, a slot that is used is taken from nobody: all are equal again.
    if (turns_.empty()) floor_ = std::max(floor_, furthest);
}

std::uint64_t fair_share::running(tenant_id t) const {
    const auto found = entries_.find(t);
    return found == entries_.end() ? 0 : found->second.running;
}

double fair_share::virtual_time(tenant_id t) const {
    const auto found = entries_.find(t);
    return found == entries_.end() ? 0 : found->second.virtual_time;
}

} // namespace coppice
