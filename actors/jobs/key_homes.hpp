// Where a tenant's jobs of a key ran last, so that the next one finds what that worker still has: a cache, a
// checkout, a connection. Those that started longest ago are forgotten when there are too many: of the last
// limits::key_homes_max / 2 keys all are known. In memory: a machine that is made anew knows those of what runs.
//
// Pure; not thread-safe.
#pragma once

#include <unordered_map>
#include <utility>

#include "actors/jobs/key_lanes.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"

namespace coppice {

class key_homes {
  public:
    // 0: nowhere yet.
    worker_id find(tenant_id tenant, type_id type, key_lanes::key key) const {
        const place of{tenant, type, key};
        if (const auto found = recent_.find(of); found != recent_.end()) return found->second;
        const auto found = older_.find(of);
        return found == older_.end() ? worker_id{} : found->second;
    }
    void started(tenant_id tenant, type_id type, key_lanes::key key, worker_id at) {
        if (recent_.size() >= limits::key_homes_max / 2) older_ = std::exchange(recent_, {});
        recent_[{tenant, type, key}] = at;
    }
    std::size_t size() const { return recent_.size() + older_.size(); }

  private:
    struct place {
        tenant_id tenant{};
        type_id type{};
        key_lanes::key key = 0; // a hash already
        bool operator==(const place&) const = default;
    };
    struct hash {
        std::size_t operator()(const place& p) const {
            return p.key ^ (std::uint64_t{p.type.value} << 40) ^ p.tenant.value;
        }
    };
    std::unordered_map<place, worker_id, hash> recent_, older_;
};

} // namespace coppice
