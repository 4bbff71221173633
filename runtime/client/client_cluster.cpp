// The calls of the client for operators of a cluster.
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"

namespace coppice::client {
kj::Promise<expected<std::vector<node_view>>> client::nodes() {
    using views = std::vector<node_view>;
    return link_->call<views>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<views>> {
        if (!s.grant.may_operate) return expected<views>(not_granted(s, "the platform"));
        return s.platform.nodesRequest().send().then(
            [](capnp::Response<api::PlatformService::NodesResults> r) -> expected<views> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                return read_all<node_view>(r.getNodes());
            });
    });
}

kj::Promise<expected<std::vector<shard_view>>> client::shards() {
    using views = std::vector<shard_view>;
    return link_->call<views>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<views>> {
        if (!s.grant.may_operate) return expected<views>(not_granted(s, "the platform"));
        return s.platform.shardsRequest().send().then(
            [](capnp::Response<api::PlatformService::ShardsResults> r) -> expected<views> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                return read_all<shard_view>(r.getShards());
            });
    });
}

// A change that was made already succeeds, so it may be asked for twice.
kj::Promise<expected<void>> client::change_node(std::uint32_t node, node_change change) {
    return link_->call<void>(repeat::safe, no_wait, [node, change](session& s) -> kj::Promise<expected<void>> {
        if (!s.grant.may_operate) return expected<void>(not_granted(s, "the platform"));
        auto request = s.platform.changeNodeRequest();
        request.setNode(node);
        request.setChange(static_cast<api::PlatformService::NodeChange>(change));
        return request.send().then(
            [](capnp::Response<api::PlatformService::ChangeNodeResults> r) { return read(r.getFailure()); });
    });
}

// Likewise.
kj::Promise<expected<move_result>> client::move_shard(std::uint16_t shard, std::uint32_t to) {
    return link_->call<move_result>(
        repeat::safe, no_wait, [shard, to](session& s) -> kj::Promise<expected<move_result>> {
            if (!s.grant.may_operate) return expected<move_result>(not_granted(s, "the platform"));
            auto request = s.platform.moveShardRequest();
            request.setShard(shard);
            request.setTo(to);
            return request.send().then(
                [](capnp::Response<api::PlatformService::MoveShardResults> r) -> expected<move_result> {
                    auto ok = read(r.getFailure());
                    if (ok) return move_result{true, 0};
                    if (ok.error().code == errc::not_primary) return move_result{false, r.getPrimary()};
                    return tl::unexpected(std::move(ok.error()));
                });
        });
}

// Twice makes two, of which one is never used.
kj::Promise<expected<join_invitation>> client::make_join_token(milliseconds lifetime) {
    return link_->call<join_invitation>(
        repeat::safe, no_wait, [lifetime](session& s) -> kj::Promise<expected<join_invitation>> {
            if (!s.grant.may_operate) return expected<join_invitation>(not_granted(s, "the platform"));
            auto request = s.platform.makeJoinTokenRequest();
            request.setLifetimeMs(static_cast<std::uint64_t>(lifetime.count()));
            return request.send().then(
                [](capnp::Response<api::PlatformService::MakeJoinTokenResults> r) -> expected<join_invitation> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    join_invitation made{text_of(r.getToken()), from_us(r.getExpires()), {}};
                    for (const auto desk : r.getDesks()) made.desks.push_back(text_of(desk));
                    return made;
                });
        });
}

} // namespace coppice::client
