// What a document of kind Tenant declares: a tenant's share and its entitlements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/jobs/job_state.hpp"
#include "actors/jobs/start_rate.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

// How long jobs are kept once they have ended, by how they did; 0: until somebody deletes them.
struct keep_spec {
    milliseconds succeeded{};
    milliseconds failed{};
    milliseconds cancelled{};
    milliseconds rejected{};

    milliseconds of(job_state ended) const {
        switch (ended) {
        case job_state::SUCCEEDED:
            return succeeded;
        case job_state::FAILED:
            return failed;
        case job_state::CANCELLED:
            return cancelled;
        case job_state::REJECTED:
            return rejected;
        default:
            return {};
        }
    }
    // Of the times that are bounded; 0: none is.
    milliseconds shortest() const {
        milliseconds found{};
        for (const milliseconds each : {succeeded, failed, cancelled, rejected})
            if (each.count() > 0 && (found.count() == 0 || each < found)) found = each;
        return found;
    }
    bool bounds() const { return shortest().count() > 0; }
    bool operator==(const keep_spec&) const = default;
};

struct tenant_spec {
    std::string name;
    std::uint32_t weight = 1;                                   // 1 .. limits::tenant_weight_max
    std::uint32_t running_max = limits::tenant_running_default; // jobs running at a time, over all types
    std::uint32_t queued_max = limits::tenant_queued_default;   // jobs not yet running nor ended
    start_rate rate;                                            // of its starts, over all types
    keep_spec keep;
    bool paused = false;            // nothing of it starts; what runs goes on
    std::vector<std::string> types; // job types it may submit; "*" allows all

    bool operator==(const tenant_spec&) const = default;
};

} // namespace coppice
