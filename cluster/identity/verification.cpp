#include "cluster/identity/verification.hpp"

#include "cluster/identity/certificate_reader.hpp"

namespace coppice {
namespace {

std::string period(instant not_before, instant not_after) {
    return to_rfc3339(not_before) + " to " + to_rfc3339(not_after);
}

expected<void> check_path(X509* leaf, X509* authority, instant at) {
    const openssl::store_ptr store{X509_STORE_new()};
    const openssl::store_ctx_ptr ctx{X509_STORE_CTX_new()};
    if (!store || !ctx || X509_STORE_add_cert(store.get(), authority) != 1 ||
        X509_STORE_CTX_init(ctx.get(), store.get(), leaf, nullptr) != 1)
        return openssl::failed("checking a certificate");
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(parameters, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_VERIFY_PARAM_set_depth(parameters, 0); // nothing between a node and the authority
    if (X509_verify_cert(ctx.get()) != 1)
        return fail(errc::unauthenticated, std::string{"the certificate is not the authority's: "} +
                                               X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx.get())));
    return {};
}

} // namespace

expected<node_identity> verify(std::string_view chain_pem, std::string_view authority_pem, instant at) {
    const openssl::error_mark errors;
    const auto chain = split_chain(chain_pem);
    if (!chain) return tl::unexpected{chain.error()};
    const auto leaf = openssl::read_certificate(chain->front());
    if (!leaf) return tl::unexpected{leaf.error()};
    const auto authority = openssl::read_certificate(authority_pem);
    if (!authority) return tl::unexpected{authority.error()};
    auto node = openssl::read_node(leaf->get());
    if (!node) return node;
    const auto issuer = openssl::read_authority(authority->get());
    if (!issuer) return tl::unexpected{issuer.error()};
    if (node->cluster != issuer->cluster)
        return fail(errc::unauthenticated,
                    "the certificate is of the cluster " + node->cluster + ", not of " + issuer->cluster);
    for (std::size_t i = 1; i < chain->size(); ++i) {
        const auto other = openssl::read_certificate((*chain)[i]);
        if (!other) return tl::unexpected{other.error()};
        if (X509_cmp(other->get(), authority->get()) != 0)
            return fail(errc::unauthenticated, "the chain has a certificate that is not the authority's");
    }
    // Said by us first: OpenSSL says that it is over, but not when it was.
    if (at < node->not_before || at >= node->not_after)
        return fail(errc::unauthenticated, "the certificate of node-" + std::to_string(node->node.value) +
                                               " holds from " + period(node->not_before, node->not_after));
    if (at < issuer->not_before || at >= issuer->not_after)
        return fail(errc::unauthenticated,
                    "the authority's certificate holds from " + period(issuer->not_before, issuer->not_after));
    if (const auto ok = check_path(leaf->get(), authority->get(), at); !ok) return tl::unexpected{ok.error()};
    return node;
}

expected<std::string> authority_in_chain(std::string_view chain_pem, std::string_view fingerprint) {
    const auto chain = split_chain(chain_pem);
    if (!chain) return tl::unexpected{chain.error()};
    for (const std::string& pem : *chain)
        if (const auto identity = authority_certificate_identity(pem);
            identity && identity->fingerprint == fingerprint)
            return pem;
    return fail(errc::unauthenticated, "the chain does not hold the authority of the join token; either the token "
                                       "is of another cluster, or somebody stands in between");
}

} // namespace coppice
