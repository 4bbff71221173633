// What a document of kind Tenant declares: a tenant's share and its entitlements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/jobs/start_rate.hpp"
#include "schema/limits.hpp"

namespace coppice {

struct tenant_spec {
    std::string name;
    std::uint32_t weight = 1;                                   // 1 .. limits::tenant_weight_max
    std::uint32_t running_max = limits::tenant_running_default; // jobs running at a time, over all types
    std::uint32_t queued_max = limits::tenant_queued_default;   // jobs not yet running nor ended
    start_rate rate;                                            // of its starts, over all types
    bool paused = false;                                        // nothing of it starts; what runs goes on
    std::vector<std::string> types;                             // job types it may submit; "*" allows all

    bool operator==(const tenant_spec&) const = default;
};

} // namespace coppice
