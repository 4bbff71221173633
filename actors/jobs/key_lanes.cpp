#include "actors/jobs/key_lanes.hpp"

#include <utility>
#include <vector>

namespace coppice {

void key_lanes::set_bounds(const concurrency_spec& bounds, instant now) {
    bounds_ = bounds;
    std::vector<key> all;
    for (const auto& [of, l] : lanes_) all.push_back(of);
    for (const key of : all) settle(of, lanes_.at(of), now);
}

void key_lanes::settle(key of, lane& l, instant now) {
    if (l.open) open_.erase({*std::exchange(l.open, std::nullopt), of});
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
        open_.emplace(*(l.open = *l.jobs.begin()), of);
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

std::optional<key_lanes::waiting> key_lanes::first_open(instant now) {
    open_due(shut_, now);
    open_due(fading_, now);
    if (open_.empty()) return std::nullopt;
    return waiting{open_.begin()->first, open_.begin()->second};
}

std::optional<instant> key_lanes::opens_at() const {
    if (shut_.empty()) return std::nullopt;
    return shut_.begin()->first;
}

} // namespace coppice
