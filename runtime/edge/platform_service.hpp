// PlatformService of api.capnp: declared things, the actor tree, metrics, the store check.
#pragma once

#include <kj/timer.h>

#include "actors/jobs/store_check.hpp"
#include "runtime/config/documents.hpp"
#include "runtime/edge/call_guard.hpp"

namespace coppice {

class platform_service final : public api::PlatformService::Server {
  public:
    platform_service(edge_context& edge, kj::Timer& timer, session_identity identity)
        : edge_(edge), timer_(timer), identity_(std::move(identity)) {}

  protected:
    kj::Promise<void> apply(ApplyContext context) override;
    kj::Promise<void> get(GetContext context) override;
    kj::Promise<void> tree(TreeContext context) override;
    kj::Promise<void> metrics(MetricsContext context) override;
    // platform_check.cpp
    kj::Promise<void> check(CheckContext context) override;
    kj::Promise<void> repair(RepairContext context) override;
    kj::Promise<void> starts(StartsContext context) override;
    // platform_cluster.cpp
    kj::Promise<void> nodes(NodesContext context) override;
    kj::Promise<void> shards(ShardsContext context) override;
    kj::Promise<void> changeNode(ChangeNodeContext context) override;
    kj::Promise<void> moveShard(MoveShardContext context) override;
    kj::Promise<void> makeJoinToken(MakeJoinTokenContext context) override;

  private:
    std::optional<failure> refused_here() const;

    kj::Promise<check_report> walk();

    // What `apply` and `get` do once everything that was declared elsewhere is known here.
    kj::Promise<void> apply_known(ApplyContext context, std::vector<declared_document> documents, call_place call);
    void get_known(GetContext& context);

    edge_context& edge_;
    kj::Timer& timer_;
    session_identity identity_;
    bool checking_ = false; // one walk at a time: each is a thread
};

} // namespace coppice
