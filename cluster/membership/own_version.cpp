#include "cluster/membership/own_version.hpp"

#include <array>

#include "cluster/peers/peer_types.hpp"

namespace coppice {
namespace {

// What this version can do that an older one cannot, and that all must be able to before any does it; is_name,
// sorted. A feature that was once here stays, so that a version without it is known as older.
constexpr std::array own_features{
    feature::batches,   feature::checkpoints, feature::graphs,       feature::hard_sticky,    feature::http,
    feature::job_slots, feature::labels,      feature::limits,       feature::log_bounds,     feature::repairs,
    feature::retention, feature::schedules,   feature::stored_lines, feature::stored_results, feature::unique};

} // namespace

void write_own_version(member& m) {
    m.protocol_min = peer_version_min;
    m.protocol_max = peer_version_max;
    m.features.assign(own_features.begin(), own_features.end());
}

} // namespace coppice
