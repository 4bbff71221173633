// What a certificate of this cluster says, read strictly: there is one form that our authority writes, and a
// certificate that deviates from it is refused, however valid it may be elsewhere. So nothing is left to which of
// two names, extensions or encodings a reader takes.
//
//   authority   O = cluster, CN = "coppice-authority"; self-signed; CA, path length 0; signs certificates
//   node        O = cluster, CN = "node-<number>"; not a CA; signs; client and server; at least one host
//   both        X.509 v3, P-256, ECDSA with SHA-256, serial of 1 to 128 bits, SHA-256 of the DER as fingerprint
//
// Parsing says nothing of trust: see verification.hpp. No state, no clock; any thread. Everything fails with
// errc::unauthenticated and a detail that says what is wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

struct node_identity {
    std::string cluster;
    node_id node{};
    instant not_before{};
    instant not_after{};            // from then on it is over
    std::string fingerprint;        // SHA-256 of the DER, 64 lower-case hex digits
    std::vector<std::string> hosts; // DNS names and IP literals, as in the certificate

    bool operator==(const node_identity&) const = default;
};

struct authority_identity {
    std::string cluster;
    instant not_before{};
    instant not_after{};
    std::string fingerprint;

    bool operator==(const authority_identity&) const = default;
};

// Of exactly one certificate in PEM, with nothing before or after it but white space.
expected<node_identity> certificate_identity(std::string_view pem);
expected<authority_identity> authority_certificate_identity(std::string_view pem);

// The single certificates of a chain in PEM, each as a text that the two above take; 1 to
// limits::certificate_chain_max.
expected<std::vector<std::string>> split_chain(std::string_view pem);

} // namespace coppice
