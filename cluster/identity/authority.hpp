// The cluster's own certificate authority: one key and one self-signed certificate, made with the cluster, which
// sign the certificates of its nodes and nothing else (path length 0).
//
// The authority alone decides what a certificate says: of a request only the public key is taken, and the name, the
// cluster and the hosts come from the caller, who has checked the join token or the member. A value, cheap to copy;
// holds a secret; no clock (times are arguments). Any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/identity/certificate.hpp"
#include "cluster/identity/node_key.hpp"
#include "schema/limits.hpp"

namespace coppice {

class authority {
  public:
    // A new one for the cluster of that name (is_name), valid limits::authority_lifetime from `now` on.
    // errc::invalid_argument for the name.
    static expected<authority> make(const std::string& cluster, instant now);
    // From what was kept; errc::invalid_argument when the two do not belong together, else as the readers fail.
    static expected<authority> from_pem(std::string_view certificate_pem, std::string_view key_pem);

    const std::string& certificate_pem() const { return certificate_pem_; }
    const authority_identity& identity() const { return identity_; }
    const node_key& key() const { return key_; }

  private:
    authority(node_key key, std::string pem, authority_identity identity)
        : key_(std::move(key)), certificate_pem_(std::move(pem)), identity_(std::move(identity)) {}

    node_key key_;
    std::string certificate_pem_;
    authority_identity identity_;
};

inline expected<authority> make_authority(const std::string& cluster, instant now) {
    return authority::make(cluster, now);
}

struct certificate_order {
    node_id node{};                 // not 0
    std::vector<std::string> hosts; // is_host; 1 to limits::certificate_hosts_max, none twice
    instant now{};
    // limits::certificate_lifetime_min to _max, from `now` on; cut where the authority's own ends.
    std::chrono::seconds lifetime = limits::certificate_lifetime_default;
};

// Where a node is reached, without repetitions, and the cluster's name: which is the same for all nodes, so that a
// client which reaches them by address can ask for that.
std::vector<std::string> certificate_hosts(const std::string& cluster, const std::vector<std::string>& reached_at);

// A node's certificate in PEM. `request_or_key` is a PEM block of a signing request, whose signature is checked, or
// of a public key (P-256 both). errc::invalid_argument for what is wrong with the order, the request or the key;
// errc::unauthenticated when the authority's own certificate is over.
expected<std::string> issue_certificate(const authority& by, std::string_view request_or_key,
                                        const certificate_order& order);

} // namespace coppice
