// What keeps a tenant's waiting jobs from starting though a slot is free, beside the counts that tenant_book keeps:
// the tenant's rate, and the keys of types that have concurrency by key. In memory; pure; not thread-safe.
#pragma once

#include <map>

#include "actors/jobs/key_lanes.hpp"

namespace coppice {

class start_gates {
  public:
    void clear() { *this = {}; }

    // When the tenant may start its next job, as far as its rate goes.
    instant free_at(tenant_id t, const start_rate& rate) const {
        const auto found = meters_.find(t);
        return found == meters_.end() ? never : found->second.free_at(rate);
    }
    void started(tenant_id t, const start_rate& rate, instant now) {
        if (rate.bounds()) meters_[t].started(rate, now);
    }
    // Null when the type's jobs have no keys, or none of the tenant was seen yet.
    key_lanes* find(tenant_id t, type_id y) {
        const auto found = lanes_.find({t, y});
        return found == lanes_.end() ? nullptr : &found->second;
    }
    const key_lanes* find(tenant_id t, type_id y) const {
        const auto found = lanes_.find({t, y});
        return found == lanes_.end() ? nullptr : &found->second;
    }
    key_lanes& lanes(tenant_id t, type_id y, const concurrency_spec& bounds, instant now) {
        const auto [at, is_new] = lanes_.try_emplace({t, y});
        if (is_new) at->second.set_bounds(bounds, now);
        return at->second;
    }
    void forget_lanes(type_id y) {
        std::erase_if(lanes_, [&](const auto& each) { return each.first.second == y; });
    }
    void set_bounds(type_id y, const concurrency_spec& bounds, instant now) {
        for (auto& [of, l] : lanes_)
            if (of.second == y) l.set_bounds(bounds, now);
    }

    // Keys of these wait for slots of this worker, until it has some or is gone: key_lanes::wait_for.
    void wait_for(worker_id home, tenant_id t, type_id y) { waiting_at_[home].insert({t, y}); }
    void look_again_at(worker_id home) {
        const auto found = waiting_at_.extract(home);
        if (!found) return;
        for (const auto& [t, y] : found.mapped())
            if (key_lanes* lanes = find(t, y)) lanes->look_again_at(home);
    }

    // Something that a rate alone holds may start then; the earliest of a batch.
    void held_until(instant then) { opens_ = opens_ == never ? then : std::min(opens_, then); }
    void forget_opens() { opens_ = never; }
    std::optional<instant> opens() const { return opens_ == never ? std::nullopt : std::optional{opens_}; }

  private:
    std::unordered_map<tenant_id, start_meter> meters_;
    std::map<std::pair<tenant_id, type_id>, key_lanes> lanes_;
    std::unordered_map<worker_id, std::set<std::pair<tenant_id, type_id>>> waiting_at_;
    instant opens_ = never;
};

} // namespace coppice
