// How far a shard's sweep of ended jobs has come. Memory alone: it decides what a primary proposes next; what is
// erased is decided by the command, the rows and the time. After a load a round begins anew.
#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include "schema/ids.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

class sweep_place {
  public:
    struct step {
        tenant_id tenant{};
        job_id from; // nil: the oldest
    };

    // A tenant keeps its ended jobs for at least `shortest`, of the times that are bounded; 0: for ever.
    void keep(tenant_id tenant, milliseconds shortest) {
        if (shortest.count() == 0)
            keepers_.erase(tenant);
        else
            keepers_[tenant] = shortest;
        next_ = instant{}; // changed declarations act at once
    }

    std::optional<instant> next_due() const { return keepers_.empty() ? std::nullopt : std::optional{next_}; }

    std::optional<step> due(instant now) const {
        if (keepers_.empty() || next_ > now) return std::nullopt;
        auto tenant = keepers_.lower_bound(at_.tenant);
        if (tenant == keepers_.end()) tenant = keepers_.begin();
        return step{tenant->first, tenant->first == at_.tenant ? at_.from : job_id{}};
    }

    // A sweep of `tenant` was done; `go_on`: the first job that it did not look at.
    void swept(tenant_id tenant, std::optional<job_id> go_on, instant now) {
        at_ = go_on ? step{tenant, *go_on} : step{tenant_id{tenant.value + 1}, {}};
        if (keepers_.lower_bound(at_.tenant) != keepers_.end()) return;
        at_ = {};
        next_ = now + pause();
    }

  private:
    milliseconds pause() const {
        milliseconds shortest = limits::sweep_pause_max * 10;
        for (const auto& [tenant, kept] : keepers_) shortest = std::min(shortest, kept);
        return std::max(shortest / 10, milliseconds{limits::sweep_pause_min});
    }

    std::map<tenant_id, milliseconds> keepers_;
    step at_;
    instant next_{};
};

} // namespace coppice
