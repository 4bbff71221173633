// How this node lets others in: it has the cluster's authority, and a port for it. And how any node invites.
//
// Threads: any. Owned by cluster_side; its callbacks come on the control store's thread.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>

#include "cluster/membership/admission.hpp"
#include "cluster/membership/member_keeper.hpp"
#include "runtime/config/node_config.hpp"
#include "runtime/joining/join_wire.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

class cluster_joining {
  public:
    struct options {
        control_store* store = nullptr; // these two outlive it
        const member_keeper* members = nullptr;
        cluster_settings settings;
        std::filesystem::path token_keys; // a file, or a directory of them
        logger log;
    };
    // errc::not_found when the settings have it let others in, and it has no authority.
    static expected<std::unique_ptr<cluster_joining>> make(options o);

    // A token for one more node; any node can make it.
    void invite(std::chrono::seconds lifetime, std::function<void(expected<invitation>)> done) const;
    bool lets_in() const { return admission_.has_value(); }
    // Only where lets_in().
    void admit(join_request request, std::function<void(expected<join_grant>)> done) const;
    // Says in the control store where it lets others in, until it is written. To be called about once a second.
    void announce();

  private:
    explicit cluster_joining(options o) : options_(std::move(o)) {}

    const options options_;
    std::string authority_fingerprint_;
    std::optional<admission> admission_;
    std::shared_ptr<std::atomic<bool>> announced_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace coppice
