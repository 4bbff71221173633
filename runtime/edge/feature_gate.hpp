// What only newer versions can do is refused while a node of the cluster is older: its replica would not follow.
#pragma once

#include <optional>

#include "cluster/membership/own_version.hpp"
#include "runtime/edge/edge_context.hpp"

namespace coppice {

// Why `wanted` may not be used now, if it may not. Copies the list of members: for calls that are rare, or that use
// it.
inline std::optional<failure> not_everywhere(const edge_context& edge, std::string_view wanted) {
    if (edge.cluster == nullptr || edge.cluster->has_feature(wanted)) return std::nullopt;
    return failure{errc::unavailable,
                   "a node of this cluster is of a version without \"" + std::string{wanted} +
                       "\"; upgrade it first, or remove it",
                   0};
}

} // namespace coppice
