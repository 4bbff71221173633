// Where the jobs of a key ran last, so that the next one finds what that worker still has: a cache, a checkout, a
// connection. A hint: forgotten when there are too many, and of no weight when that worker is gone or busy.
//
// Pure; not thread-safe.
#pragma once

#include <unordered_map>

#include "actors/jobs/key_lanes.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"

namespace coppice {

class key_homes {
  public:
    // 0: nowhere yet.
    worker_id find(type_id type, key_lanes::key key) const {
        const auto found = homes_.find({type, key});
        return found == homes_.end() ? worker_id{} : found->second;
    }
    void started(type_id type, key_lanes::key key, worker_id at) {
        if (homes_.size() >= limits::key_homes_max && !homes_.contains({type, key})) homes_.clear();
        homes_[{type, key}] = at;
    }
    std::size_t size() const { return homes_.size(); }

  private:
    struct place {
        type_id type{};
        key_lanes::key key = 0; // a hash already
        bool operator==(const place&) const = default;
    };
    struct hash {
        std::size_t operator()(const place& p) const { return p.key ^ (std::uint64_t{p.type.value} << 40); }
    };
    std::unordered_map<place, worker_id, hash> homes_;
};

} // namespace coppice
