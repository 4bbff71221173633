// PlatformService's part for operators of a cluster: looks and orders, passed on to the cluster_view. Orders are
// logged with who gave them.
#include "runtime/edge/loop_answer.hpp"
#include "runtime/edge/platform_service.hpp"

namespace coppice {
namespace {

template <class List>
void write_numbers(const std::vector<node_id>& nodes, List to) {
    for (unsigned i = 0; i < to.size(); ++i) to.set(i, nodes[i].value);
}

void write(api::NodeView::Builder to, const cluster_node_row& row) {
    to.setNode(row.node.value);
    to.setName(row.name.c_str());
    to.setState(row.state.c_str());
    to.setZone(row.zone.c_str());
    to.setRpc(row.rpc.c_str());
    to.setPeer(row.peer.c_str());
    to.setLeads(row.leads);
    to.setInSync(row.in_sync);
    to.setHolds(row.holds);
    to.setIsSelf(row.is_self);
    to.setLinked(row.linked);
    to.setSeenMs(row.seen ? row.seen->count() : -1);
    to.setApplied(row.applied);
}

void write(api::ShardView::Builder to, const cluster_shard_row& row) {
    to.setShard(row.shard.value);
    to.setEpoch(row.epoch);
    to.setPrimary(row.primary.value);
    write_numbers(row.in_sync, to.initInSync(static_cast<unsigned>(row.in_sync.size())));
    write_numbers(row.replicas, to.initReplicas(static_cast<unsigned>(row.replicas.size())));
    to.setRole(row.role.c_str());
    to.setApplied(row.applied);
    to.setLeaseValid(row.lease_valid);
}

std::optional<node_change> read(api::PlatformService::NodeChange change) {
    switch (change) {
    case api::PlatformService::NodeChange::DRAIN:
        return node_change::drain;
    case api::PlatformService::NodeChange::RESUME:
        return node_change::resume;
    case api::PlatformService::NodeChange::REMOVE:
        return node_change::remove;
    }
    return std::nullopt; // a newer client's
}

std::string_view to_string(node_change change) {
    return change == node_change::drain ? "drain" : change == node_change::resume ? "resume" : "remove";
}

} // namespace

std::optional<failure> platform_service::refused_here() const {
    if (auto no = denied(identity_, permission::operate, "", edge_.clock())) return no;
    if (edge_.cluster == nullptr)
        return failure{errc::invalid_argument, "this node is not part of a cluster; `coppice cluster` makes one",
                       0};
    return std::nullopt;
}

kj::Promise<void> platform_service::nodes(NodesContext context) {
    auto answer = context.getResults();
    if (const auto no = refused_here()) return refuse(context, *no);
    const auto rows = edge_.cluster->nodes();
    auto to = answer.initNodes(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < to.size(); ++i) write(to[i], rows[i]);
    return kj::READY_NOW;
}

kj::Promise<void> platform_service::shards(ShardsContext context) {
    auto answer = context.getResults();
    if (const auto no = refused_here()) return refuse(context, *no);
    const auto rows = edge_.cluster->shards();
    auto to = answer.initShards(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < to.size(); ++i) write(to[i], rows[i]);
    return kj::READY_NOW;
}

kj::Promise<void> platform_service::changeNode(ChangeNodeContext context) {
    const auto params = context.getParams();
    if (const auto no = refused_here()) return refuse(context, *no);
    const auto change = read(params.getChange());
    if (!change) return refuse(context, {errc::invalid_argument, "this node does not know that change", 0});
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    edge_.log.info("a node is ordered to change", {{"node", std::uint64_t{params.getNode()}},
                                                   {"change", std::string{to_string(*change)}},
                                                   {"by", identity_.who.subject}});
    auto [promise, answered] = make_loop_answer<expected<void>>(edge_.inbox);
    edge_.cluster->change_node(node_id{params.getNode()}, *change,
                               [answered = std::move(answered)](expected<void> done) { answered->give(done); });
    return promise.then([context, call = kj::mv(call)](expected<void> done) mutable {
        if (!done) write_failure(done.error(), context.getResults().initFailure());
    });
}

kj::Promise<void> platform_service::moveShard(MoveShardContext context) {
    const auto params = context.getParams();
    if (const auto no = refused_here()) return refuse(context, *no);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    edge_.log.info("a shard is ordered to move", {{"shard", std::uint64_t{params.getShard()}},
                                                  {"to", std::uint64_t{params.getTo()}},
                                                  {"by", identity_.who.subject}});
    using outcome = tl::expected<void, cluster_view::move_refused>;
    auto [promise, answered] = make_loop_answer<outcome>(edge_.inbox);
    edge_.cluster->move_shard(shard_id{params.getShard()}, node_id{params.getTo()},
                              [answered = std::move(answered)](outcome done) { answered->give(std::move(done)); });
    return promise.then([context, call = kj::mv(call)](outcome done) mutable {
        if (done) return;
        context.getResults().setPrimary(done.error().primary.value);
        write_failure(done.error().why, context.getResults().initFailure());
    });
}

kj::Promise<void> platform_service::makeJoinToken(MakeJoinTokenContext context) {
    if (const auto no = refused_here()) return refuse(context, *no);
    const std::uint64_t asked = context.getParams().getLifetimeMs();
    constexpr auto most = static_cast<std::uint64_t>(milliseconds{limits::join_token_lifetime_max}.count());
    if (asked > most || (asked > 0 && asked < 1000))
        return refuse(context,
                      {errc::invalid_argument,
                       "a join token's lifetime is from 1s to " + format_duration(limits::join_token_lifetime_max),
                       0});
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    edge_.log.info("a join token is made", {{"by", identity_.who.subject}});
    const std::chrono::seconds lifetime =
        asked == 0 ? std::chrono::seconds{limits::join_token_lifetime_default}
                   : std::chrono::duration_cast<std::chrono::seconds>(milliseconds{asked});
    auto [promise, answered] = make_loop_answer<expected<cluster_invitation>>(edge_.inbox);
    edge_.cluster->invite(lifetime, [answered = std::move(answered)](expected<cluster_invitation> made) {
        answered->give(std::move(made));
    });
    return promise.then([context, call = kj::mv(call)](const expected<cluster_invitation>& made) mutable {
        auto answer = context.getResults();
        if (!made) return write_failure(made.error(), answer.initFailure());
        answer.setToken(made->token.c_str());
        answer.setExpires(to_us(made->expires));
        auto desks = answer.initDesks(static_cast<unsigned>(made->desks.size()));
        for (unsigned i = 0; i < desks.size(); ++i) desks.set(i, made->desks[i].c_str());
    });
}

} // namespace coppice
