// Whether a certificate may speak for a node of this cluster: the one question that a peer's TLS link and the join
// ask.
//
// Two checks, both of which must pass: OpenSSL's path validation (RFC 5280) against the one authority, and our own
// strict reading (certificate.hpp). No clock, no state; any thread.
#pragma once

#include <string>
#include <string_view>

#include "cluster/identity/certificate.hpp"

namespace coppice {

// The identity of the first certificate of the chain, if the authority of `authority_pem` (one certificate) signed
// it and both hold at `at`. What else is in the chain must be that authority or nothing. errc::unauthenticated
// otherwise, with a detail that says why, and when it was over.
expected<node_identity> verify(std::string_view chain_pem, std::string_view authority_pem, instant at);

// The certificate in the chain whose fingerprint is that (64 lower-case hex digits), if it is an authority's: how a
// node that has nothing but a join token gets to trust the one that it joins. errc::unauthenticated otherwise.
expected<std::string> authority_in_chain(std::string_view chain_pem, std::string_view fingerprint);

} // namespace coppice
