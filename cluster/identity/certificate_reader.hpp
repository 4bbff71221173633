// From PEM to OpenSSL's object, and from that to what it says; what certificate.hpp and its neighbours share.
// Internal to cluster/identity. Callers hold an error_mark.
#pragma once

#include "cluster/identity/certificate.hpp"
#include "cluster/identity/openssl_handles.hpp"

namespace coppice::openssl {

inline constexpr const char* authority_common_name = "coppice-authority";

tl::unexpected<failure> refused(std::string what);

expected<x509_ptr> read_certificate(std::string_view pem);
expected<node_identity> read_node(X509* certificate);
expected<authority_identity> read_authority(X509* certificate);

} // namespace coppice::openssl
