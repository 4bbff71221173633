#include "cluster/identity/authority.hpp"

#include <algorithm>
#include <openssl/pem.h>
#include <set>

#include "cluster/identity/certificate_reader.hpp"
#include "cluster/membership/host.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

constexpr std::size_t serial_size = 16; // bytes

// Random, so that nobody can foresee what is signed, and unique without a counter to keep.
bool set_serial(X509* certificate) {
    const std::string bytes = openssl::random_bytes(serial_size);
    const openssl::bignum_ptr number{
        BN_bin2bn(openssl::bytes_of(std::string_view{bytes}), static_cast<int>(bytes.size()), nullptr)};
    return number && BN_is_zero(number.get()) == 0 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_time(ASN1_TIME* to, instant at) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    return ASN1_TIME_set(to, seconds) != nullptr;
}

bool add_name(X509_NAME* to, const std::string& organization, const std::string& common_name) {
    const auto add = [to](int kind, const std::string& text) {
        return X509_NAME_add_entry_by_NID(to, kind, V_ASN1_UTF8STRING, openssl::bytes_of(std::string_view{text}),
                                          static_cast<int>(text.size()), -1, 0) == 1;
    };
    return add(NID_organizationName, organization) && add(NID_commonName, common_name);
}

// `value` is a constant of ours: text from outside never goes through OpenSSL's configuration language.
bool add_extension(X509* to, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    const openssl::extension_ptr extension{X509V3_EXT_nconf_nid(nullptr, &context, kind, value)};
    return extension && X509_add_ext(to, extension.get(), -1) == 1;
}

openssl::name_ptr make_host(const std::string& host) {
    openssl::name_ptr name{GENERAL_NAME_new()};
    const std::string address = ip_bytes(host);
    const std::string_view bytes = address.empty() ? std::string_view{host} : std::string_view{address};
    // Both kinds of text are an ASN1_STRING of another tag.
    ASN1_STRING* text = ASN1_STRING_type_new(address.empty() ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
    if (!name || text == nullptr || ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) != 1) {
        ASN1_STRING_free(text);
        return nullptr;
    }
    GENERAL_NAME_set0_value(name.get(), address.empty() ? GEN_DNS : GEN_IPADD, text);
    return name;
}

bool add_hosts(X509* to, const std::vector<std::string>& hosts) {
    const openssl::names_ptr names{sk_GENERAL_NAME_new_null()};
    if (!names) return false;
    for (const std::string& host : hosts) {
        openssl::name_ptr name = make_host(host);
        if (!name || sk_GENERAL_NAME_push(names.get(), name.get()) <= 0) return false;
        (void)name.release();
    }
    return X509_add1_ext_i2d(to, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

struct facts {
    const std::string& cluster;
    std::string common_name;
    instant not_before, not_after;
    EVP_PKEY* subject_key;
};

bool fill(X509* certificate, const facts& f) {
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           set_time(X509_getm_notBefore(certificate), f.not_before) &&
           set_time(X509_getm_notAfter(certificate), f.not_after) &&
           add_name(X509_get_subject_name(certificate), f.cluster, f.common_name) &&
           X509_set_pubkey(certificate, f.subject_key) == 1;
}

expected<std::string> sign(X509* certificate, const node_key& key) {
    const openssl::bio_ptr bio{BIO_new(BIO_s_mem())};
    if (!bio || X509_sign(certificate, key.get(), EVP_sha256()) <= 0 ||
        PEM_write_bio_X509(bio.get(), certificate) != 1)
        return openssl::failed("signing a certificate");
    return openssl::text_of(bio.get());
}

expected<openssl::pkey_ptr> key_of(std::string_view request_or_key) {
    if (request_or_key.size() > limits::certificate_pem_size_max)
        return fail(errc::invalid_argument, "the request is larger than is accepted");
    openssl::bio_ptr bio = openssl::reader_of(request_or_key);
    openssl::pkey_ptr key;
    if (request_or_key.find("CERTIFICATE REQUEST-----") != std::string_view::npos) {
        const openssl::request_ptr request{bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr)
                                               : nullptr};
        if (request) key.reset(X509_REQ_get_pubkey(request.get()));
        if (!key) return fail(errc::invalid_argument, "the signing request is damaged");
        if (openssl::is_p256(key.get(), false) && X509_REQ_verify(request.get(), key.get()) != 1)
            return fail(errc::invalid_argument, "the signing request is not signed by the key that it is for");
    } else {
        key.reset(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
        if (!key) return fail(errc::invalid_argument, "no PEM block of a signing request or of a public key");
    }
    if (!openssl::is_p256(key.get(), false))
        return fail(errc::invalid_argument, "the key to certify is not on the curve P-256");
    return key;
}

expected<void> check(const authority& by, const certificate_order& order) {
    if (order.node.value == 0) return fail(errc::invalid_argument, "a node's number begins with 1");
    if (order.hosts.empty() || order.hosts.size() > limits::certificate_hosts_max)
        return fail(errc::invalid_argument,
                    "a certificate needs 1 to " + std::to_string(limits::certificate_hosts_max) + " hosts");
    for (std::size_t i = 0; i < order.hosts.size(); ++i)
        if (!is_host(order.hosts[i]))
            return fail(errc::invalid_argument, "host " + std::to_string(i + 1) +
                                                    " is not a DNS name (lower case) or an IP address as it is "
                                                    "written canonically");
    if (std::set<std::string>(order.hosts.begin(), order.hosts.end()).size() != order.hosts.size())
        return fail(errc::invalid_argument, "a host is named twice");
    if (order.lifetime < limits::certificate_lifetime_min || order.lifetime > limits::certificate_lifetime_max)
        return fail(errc::invalid_argument, "a certificate's lifetime is from " +
                                                format_duration(limits::certificate_lifetime_min) + " to " +
                                                format_duration(limits::certificate_lifetime_max));
    if (order.now < by.identity().not_before || order.now >= by.identity().not_after)
        return fail(errc::unauthenticated, "the authority's own certificate holds from " +
                                               to_rfc3339(by.identity().not_before) + " to " +
                                               to_rfc3339(by.identity().not_after));
    return {};
}

} // namespace

expected<authority> authority::make(const std::string& cluster, instant now) {
    const openssl::error_mark errors;
    if (!is_name(cluster))
        return fail(errc::invalid_argument,
                    "a cluster's name is 1 to 63 of a-z, 0-9 and \"-\", which neither begins nor ends it");
    auto key = node_key::make();
    if (!key) return tl::unexpected{key.error()};
    const openssl::x509_ptr certificate{X509_new()};
    const facts said{cluster, openssl::authority_common_name, now - limits::certificate_backdated,
                     now + limits::authority_lifetime, key->get()};
    if (!certificate || !fill(certificate.get(), said) ||
        X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) != 1 ||
        !add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash"))
        return openssl::failed("making an authority");
    auto pem = sign(certificate.get(), *key);
    if (!pem) return tl::unexpected{pem.error()};
    // Read back by the strict reader: what is refused later is never written now.
    auto identity = authority_certificate_identity(*pem);
    if (!identity) return tl::unexpected{identity.error()};
    return authority{std::move(*key), std::move(*pem), std::move(*identity)};
}

expected<authority> authority::from_pem(std::string_view certificate_pem, std::string_view key_pem) {
    const openssl::error_mark errors;
    const auto certificate = openssl::read_certificate(certificate_pem);
    if (!certificate) return tl::unexpected{certificate.error()};
    auto identity = openssl::read_authority(certificate->get());
    if (!identity) return tl::unexpected{identity.error()};
    auto key = node_key::from_pem(key_pem);
    if (!key) return tl::unexpected{key.error()};
    if (X509_check_private_key(certificate->get(), key->get()) != 1)
        return fail(errc::invalid_argument, "the authority's certificate and its key do not belong together");
    return authority{std::move(*key), std::string{certificate_pem}, std::move(*identity)};
}

expected<std::string> issue_certificate(const authority& by, std::string_view request_or_key,
                                        const certificate_order& order) {
    const openssl::error_mark errors;
    if (const auto ok = check(by, order); !ok) return tl::unexpected{ok.error()};
    const auto key = key_of(request_or_key);
    if (!key) return tl::unexpected{key.error()};
    const auto issuer = openssl::read_certificate(by.certificate_pem());
    if (!issuer) return tl::unexpected{issuer.error()};
    const openssl::x509_ptr certificate{X509_new()};
    const facts said{by.identity().cluster, "node-" + std::to_string(order.node.value),
                     std::max(order.now - limits::certificate_backdated, by.identity().not_before),
                     std::min(order.now + order.lifetime, by.identity().not_after), key->get()};
    X509* leaf = certificate.get();
    if (!certificate || !fill(leaf, said) ||
        X509_set_issuer_name(leaf, X509_get_subject_name(issuer->get())) != 1 ||
        !add_extension(leaf, issuer->get(), NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(leaf, issuer->get(), NID_key_usage, "critical,digitalSignature") ||
        !add_extension(leaf, issuer->get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
        !add_extension(leaf, issuer->get(), NID_subject_key_identifier, "hash") ||
        !add_extension(leaf, issuer->get(), NID_authority_key_identifier, "keyid:always") ||
        !add_hosts(leaf, order.hosts))
        return openssl::failed("making a certificate");
    return sign(leaf, by.key());
}

std::vector<std::string> certificate_hosts(const std::string& cluster, const std::vector<std::string>& reached_at) {
    std::vector<std::string> hosts;
    for (const std::string& each : reached_at)
        if (std::ranges::find(hosts, each) == hosts.end()) hosts.push_back(each);
    if (is_host(cluster) && std::ranges::find(hosts, cluster) == hosts.end()) hosts.push_back(cluster);
    return hosts;
}

} // namespace coppice
