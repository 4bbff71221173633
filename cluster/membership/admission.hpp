// Letting new nodes in: an invitation is a join token whose record stands in the control store, and an admission
// spends it, takes a number and writes the member, all in one transaction; so a token lets in one node, whoever
// asks at the same moment, and no number is given twice.
//
//   /join_tokens/<id>      a token's record (identity/join_token.hpp)
//   /join_desks/<number>   "host:port" of a node that lets others in: one that has the cluster's authority
//
// Invariants: nothing is signed for who did not show the secret of a token that is good; a certificate leaves only
// after the transaction is known to have happened. Threads: calls on any; `done` comes once, on the store's thread
// or before the call returns, and not after the store was stopped.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/control/control_store.hpp"
#include "cluster/identity/authority.hpp"
#include "cluster/identity/join_token.hpp"
#include "cluster/membership/member.hpp"

namespace coppice {

inline constexpr std::string_view join_tokens_prefix = "/join_tokens/";
inline constexpr std::string_view join_desks_prefix = "/join_desks/";
std::string join_desk_key(node_id number);

// ---- inviting

struct invitation {
    std::string token; // a secret: whoever has it can be a node of the cluster
    instant expires{};
    std::vector<std::string> desks; // "host:port", where it is good
};
struct invitation_order {
    std::string cluster;
    std::string authority_fingerprint;
    std::chrono::seconds lifetime = limits::join_token_lifetime_default;
    instant now{};
};
// Errors: invalid_argument for the lifetime; overloaded with limits::join_tokens_max that are good already;
// unavailable when no node lets others in; those of the control store. Records that are over or spent are erased.
void invite(control_store& store, const invitation_order& order, std::function<void(expected<invitation>)> done);

// ---- admitting

struct join_request {
    std::string token_id;
    std::string secret;
    std::string signing_request;
    member wanted; // of it: where it is reached, its zone, protocol and features; any bytes
};

struct admitted {
    member what; // as it was written: joining
    std::string certificate_pem;
};

class admission {
  public:
    struct options {
        control_store* store = nullptr;               // outlives it
        authority by;                                 // its cluster is the one that is joined
        std::function<std::vector<member>()> members; // as this node knows them
        // A number that nobody was ever given, `least` or above (identity_files.hpp, take_node_number); on the
        // store's thread.
        std::function<expected<node_id>(node_id least)> number_from;
        std::function<instant()> clock = wall_clock_now;
    };
    explicit admission(options o) : options_(std::make_shared<const options>(std::move(o))) {}

    // Errors: unauthenticated, token_expired; invalid_argument for what it wants; already_exists, overloaded as
    // may_join; conflict when others were faster limits::join_attempts_max times; unknown_outcome: it may be a
    // member now, but gets no certificate; those of the control store.
    void admit(join_request request, std::function<void(expected<admitted>)> done) const;

  private:
    std::shared_ptr<const options> options_;
};

} // namespace coppice
