// The new node's side of a join: one TLS conversation with a node that lets others in. Synchronous, each step
// within `patience`; any thread.
//
// The token's secret is sent only to a peer whose certificate is signed by the authority that the token names.
#pragma once

#include "runtime/config/quantities.hpp"
#include "runtime/joining/join_wire.hpp"

namespace coppice {

// Fills in the token's id and secret. Errors: unavailable (nobody there, or too slow; nothing was spent if the
// connection was not made), unauthenticated (whoever answers is not of the token's cluster, or the cluster's own
// refusal), message_invalid; and the cluster's, as admission.hpp says.
expected<join_grant> ask_to_join(const endpoint& at, const join_token& token, join_request request, instant now,
                                 milliseconds patience = limits::join_timeout);

} // namespace coppice
