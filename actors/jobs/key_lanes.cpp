#include "actors/jobs/key_lanes.hpp"

#include <utility>
#include <vector>

namespace coppice {

void key_lanes::set_bounds(const concurrency_spec& bounds, instant now) {
    bounds_ = bounds;
    std::vector<key> all;
    for (const auto& [of, l] : lanes_) all.push_back(of);
    for (const key of : all) rehome(of, lanes_.at(of), {}, now);
}

void key_lanes::rehome(key of, lane& l, worker_id home, instant now) {
    leave_open(of, l);
    l.home = home;
    settle(of, l, now);
}

// Of a home that no lane was at nobody knows yet whether it has slots.
void key_lanes::enter_open(key of, lane& l) {
    const std::pair<place, key> entry{*(l.open = *l.jobs.begin()), of};
    if (l.home == worker_id{}) {
        open_.insert(entry);
        return;
    }
    in_order& at = at_home_[l.home];
    if (at.empty()) roomy_.insert(l.home);
    at.insert(entry);
}

void key_lanes::leave_open(key of, lane& l) {
    if (!l.open) return;
    const std::pair<place, key> entry{*std::exchange(l.open, std::nullopt), of};
    if (l.home == worker_id{}) {
        open_.erase(entry);
        return;
    }
    const auto found = at_home_.find(l.home);
    found->second.erase(entry);
    if (!found->second.empty()) return;
    at_home_.erase(found);
    roomy_.erase(l.home);
}

void key_lanes::settle(key of, lane& l, instant now) {
    leave_open(of, l);
    if (l.shut) {
        shut_.erase({*l.shut, of});
        fading_.erase({*std::exchange(l.shut, std::nullopt), of});
    }
    if (l.jobs.empty()) {
        if (l.running > 0) return;
        const instant rested_at = l.meter.rested_at(bounds_.rate);
        if (rested_at > now)
            fading_.emplace(*(l.shut = rested_at), of);
        else
            lanes_.erase(of);
        return;
    }
    if (!has_room(l)) return; // an end will settle it
    if (const instant free_at = l.meter.free_at(bounds_.rate); free_at > now)
        shut_.emplace(*(l.shut = free_at), of);
    else
        enter_open(of, l);
}

void key_lanes::open_due(std::set<std::pair<instant, key>>& held, instant now) {
    while (!held.empty() && held.begin()->first <= now) {
        const key of = held.begin()->second;
        settle(of, lanes_.at(of), now);
    }
}

void key_lanes::entered(const place& at, key of, instant now) {
    if (at <= read_to_) set_aside({at, of}, now); // else it is read in its turn
}

void key_lanes::left(const place& at, key of, instant now) {
    const auto found = lanes_.find(of);
    if (found == lanes_.end() || found->second.jobs.erase(at) == 0) return;
    --aside_;
    settle(of, found->second, now);
}

void key_lanes::started(key of, instant now) {
    lane& l = lanes_[of];
    ++l.running;
    l.meter.started(bounds_.rate, now);
    settle(of, l, now);
}

void key_lanes::ended(key of, instant now) {
    const auto found = lanes_.find(of);
    if (found == lanes_.end()) return;
    if (found->second.running > 0) --found->second.running;
    settle(of, found->second, now);
}

bool key_lanes::may_start(key of, instant now) const {
    const auto found = lanes_.find(of);
    return found == lanes_.end() || (has_room(found->second) && found->second.meter.free_at(bounds_.rate) <= now);
}

void key_lanes::set_aside(const waiting& job, instant now) {
    read_to_ = std::max(read_to_, job.at);
    lane& l = lanes_[job.of];
    if (!l.jobs.insert(job.at).second) return;
    ++aside_;
    settle(job.of, l, now);
}

void key_lanes::wait_for(const waiting& job, worker_id home, instant now) {
    set_aside(job, now);
    lane& l = lanes_.at(job.of);
    if (l.home != home) rehome(job.of, l, home, now);
    roomy_.erase(home);
}

void key_lanes::wait_for_any(key of, instant now) {
    const auto found = lanes_.find(of);
    if (found != lanes_.end() && found->second.home != worker_id{}) rehome(of, found->second, {}, now);
}

void key_lanes::look_again_at(worker_id home) {
    if (at_home_.contains(home)) roomy_.insert(home);
}

std::vector<worker_id> key_lanes::homes() const {
    std::vector<worker_id> all;
    for (const auto& [home, lanes] : at_home_) all.push_back(home);
    return all;
}

std::optional<key_lanes::waiting> key_lanes::first_open(instant now) {
    open_due(shut_, now);
    open_due(fading_, now);
    const in_order* first = open_.empty() ? nullptr : &open_;
    for (const worker_id home : roomy_)
        if (const in_order& at = at_home_.at(home); first == nullptr || *at.begin() < *first->begin()) first = &at;
    if (first == nullptr) return std::nullopt;
    return waiting{first->begin()->first, first->begin()->second};
}

std::optional<instant> key_lanes::opens_at() const {
    if (shut_.empty()) return std::nullopt;
    return shut_.begin()->first;
}

} // namespace coppice
