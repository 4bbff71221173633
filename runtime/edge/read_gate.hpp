// When the tables of this node may be read for a caller. On a node alone: always. In a cluster a read sees
// everything that was acknowledged anywhere before it began: here at once while this node leads and holds its
// lease, else as soon as its tables have come to where the primary's are.
#pragma once

#include <algorithm>
#include <kj/async.h>

#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/loop_answer.hpp"

namespace coppice {

// Calls `read`, which answers at once, when the tables of all of `shards` may be read; or `refuse` with why not.
// `stale_ok`: whatever this node has may be read now.
template <class Read, class Refuse>
kj::Promise<void> when_readable(edge_context& edge, std::vector<shard_id> shards, bool stale_ok, Read read,
                                Refuse refuse) {
    if (stale_ok && edge.reads.held) {
        if (std::ranges::all_of(shards, edge.reads.held))
            read();
        else
            refuse(failure{errc::unavailable, "this node holds no replica of the shard; ask another", 100});
        return kj::READY_NOW;
    }
    const auto all_open = [&edge](const std::vector<shard_id>& of) {
        return !edge.reads.open || std::ranges::all_of(of, edge.reads.open);
    };
    if (all_open(shards)) {
        read();
        // The lease ended while it was read: another node may have acknowledged something meanwhile.
        if (!all_open(shards)) refuse(failure{errc::unavailable, "a shard's primary changed; read again", 100});
        return kj::READY_NOW;
    }
    auto promises = kj::heapArrayBuilder<kj::Promise<expected<void>>>(shards.size());
    for (const shard_id shard : shards) {
        auto [promise, answer] = make_loop_answer<expected<void>>(edge.inbox);
        edge.reads.wait(shard,
                        [answer = std::move(answer)](expected<void> result) { answer->give(std::move(result)); });
        promises.add(kj::mv(promise));
    }
    return kj::joinPromises(promises.finish())
        .then([read = std::move(read), refuse = std::move(refuse)](kj::Array<expected<void>> results) mutable {
            for (const auto& each : results)
                if (!each) return refuse(each.error());
            read();
        });
}

// A tenant's shard; of the platform, all.
inline std::vector<shard_id> shards_of(const edge_context& edge, std::optional<tenant_id> tenant) {
    if (tenant) return {shard_of(*tenant, edge.shards)};
    return all_shards(edge.shards);
}

} // namespace coppice
