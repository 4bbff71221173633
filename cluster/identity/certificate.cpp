#include "cluster/identity/certificate.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <ctime>
#include <openssl/pem.h>

#include "cluster/identity/certificate_reader.hpp"
#include "cluster/membership/host.hpp"
#include "schema/hex.hpp"
#include "schema/limits.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace openssl {
namespace {

constexpr std::string_view pem_begin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view pem_end = "-----END CERTIFICATE-----";
constexpr std::string_view white_space = " \t\r\n";
constexpr int serial_bits_max = 128;

struct distinguished_name {
    std::string organization;
    std::string common_name;
};

std::string_view view_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), // NOLINT: OpenSSL's spelling of bytes
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// O and CN, each once, in that order, and nothing else: two of a kind could be read as either.
std::optional<distinguished_name> read_name(const X509_NAME* name) {
    if (name == nullptr || X509_NAME_entry_count(name) != 2) return std::nullopt;
    std::array<std::string, 2> values;
    constexpr std::array kinds{NID_organizationName, NID_commonName};
    for (int i = 0; i < 2; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
        const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
        if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != kinds[at] || X509_NAME_ENTRY_set(entry) != i ||
            ASN1_STRING_type(value) != V_ASN1_UTF8STRING)
            return std::nullopt;
        values[at] = std::string{view_of(value)};
    }
    if (!is_name(values[0]) || !is_name(values[1])) return std::nullopt;
    return distinguished_name{values[0], values[1]};
}

std::optional<instant> read_time(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    return instant{std::chrono::seconds{::timegm(&parts)}};
}

expected<node_id> read_number(std::string_view common_name) {
    constexpr std::string_view prefix = "node-";
    std::uint32_t number = 0;
    const bool named = common_name.starts_with(prefix);
    const std::string_view digits = named ? common_name.substr(prefix.size()) : std::string_view{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number == 0 || digits.front() == '0')
        return refused("its name is not node-<number>");
    return node_id{number};
}

std::optional<std::string> read_host(const GENERAL_NAME* name) {
    if (name->type == GEN_DNS) {
        std::string text{view_of(name->d.dNSName)};
        if (!is_dns_name(text)) return std::nullopt;
        return text;
    }
    if (name->type != GEN_IPADD) return std::nullopt;
    const std::string_view bytes = view_of(name->d.iPAddress);
    const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if ((bytes.size() != sizeof(in_addr) && bytes.size() != sizeof(in6_addr)) ||
        ::inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr)
        return std::nullopt;
    return std::string{text.data()};
}

expected<std::vector<std::string>> read_hosts(const X509* certificate) {
    const names_ptr names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
    const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
    if (count < 1 || static_cast<std::size_t>(count) > limits::certificate_hosts_max)
        return refused("it has no hosts, or more than " + std::to_string(limits::certificate_hosts_max));
    std::vector<std::string> hosts;
    for (int i = 0; i < count; ++i) {
        auto host = read_host(sk_GENERAL_NAME_value(names.get(), i));
        if (!host) return refused("one of its alternative names is not a plain host");
        hosts.push_back(std::move(*host));
    }
    return hosts;
}

// Client and server, and nothing else.
bool is_for_both_sides(const X509* certificate) {
    const usages_ptr usages{
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr))};
    if (!usages || sk_ASN1_OBJECT_num(usages.get()) != 2) return false;
    std::array<int, 2> kinds{};
    for (int i = 0; i < 2; ++i)
        kinds[static_cast<std::size_t>(i)] = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages.get(), i));
    std::ranges::sort(kinds);
    return kinds ==
           std::array{std::min(NID_server_auth, NID_client_auth), std::max(NID_server_auth, NID_client_auth)};
}

// Every extension is one that we write, once, and none is missing; what restricts the key is critical.
bool has_exactly(const X509* certificate, std::initializer_list<int> kinds) {
    if (X509_get_ext_count(certificate) != static_cast<int>(kinds.size())) return false;
    return std::ranges::all_of(kinds, [&](int kind) {
        const int at = X509_get_ext_by_NID(certificate, kind, -1);
        const bool restricts = kind == NID_basic_constraints || kind == NID_key_usage;
        return at >= 0 && X509_get_ext_by_NID(certificate, kind, at) < 0 &&
               (X509_EXTENSION_get_critical(X509_get_ext(certificate, at)) != 0) == restricts;
    });
}

struct common_facts {
    distinguished_name subject, issuer;
    instant not_before, not_after;
    std::string fingerprint;
};

// What holds for both kinds. `usage`: the key usage, of OpenSSL's KU_* bits.
expected<common_facts> read_common(X509* certificate, std::uint32_t usage) {
    if (X509_get_version(certificate) != X509_VERSION_3) return refused("it is not of X.509 version 3");
    if ((X509_get_extension_flags(certificate) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
        return refused("its extensions are not valid");
    const auto subject = read_name(X509_get_subject_name(certificate));
    const auto issuer = read_name(X509_get_issuer_name(certificate));
    if (!subject || !issuer) return refused("its subject and issuer are not an O and a CN");
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    if (key == nullptr || !is_p256(key, false)) return refused("its key is not on the curve P-256");
    if (X509_get_signature_nid(certificate) != NID_ecdsa_with_SHA256)
        return refused("it is not signed with ECDSA and SHA-256");
    if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) == 0 || X509_get_key_usage(certificate) != usage)
        return refused("its key usage is another");
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    const bignum_ptr number{ASN1_INTEGER_to_BN(serial, nullptr)};
    if (!number || BN_is_negative(number.get()) != 0 || BN_is_zero(number.get()) != 0 ||
        BN_num_bits(number.get()) > serial_bits_max)
        return refused("its serial number is not of 1 to 128 bits");
    const auto not_before = read_time(X509_get0_notBefore(certificate));
    const auto not_after = read_time(X509_get0_notAfter(certificate));
    if (!not_before || !not_after || *not_before >= *not_after) return refused("its times are not a span of time");
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), bytes_of(digest), &size) != 1)
        return failed("hashing a certificate");
    return common_facts{*subject, *issuer, *not_before, *not_after, hex(digest)};
}

} // namespace

tl::unexpected<failure> refused(std::string what) {
    return fail(errc::unauthenticated, "the certificate is not one of this kind: " + std::move(what));
}

expected<x509_ptr> read_certificate(std::string_view pem) {
    if (pem.size() > limits::certificate_pem_size_max)
        return refused("larger than " + std::to_string(limits::certificate_pem_size_max) + " bytes");
    const auto begin = pem.find_first_not_of(white_space);
    const auto end = pem.find(pem_end);
    if (begin == std::string_view::npos || !pem.substr(begin).starts_with(pem_begin) ||
        end == std::string_view::npos ||
        pem.find_first_not_of(white_space, end + pem_end.size()) != std::string_view::npos)
        return refused("not exactly one PEM block of a certificate");
    const bio_ptr bio = reader_of(pem.substr(begin));
    char *name = nullptr, *header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (!bio || PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) return refused("its PEM is damaged");
    const std::string der{reinterpret_cast<char*>(data), static_cast<std::size_t>(size)}; // NOLINT: as bytes_of
    const bool plain = std::string_view{name} == PEM_STRING_X509 && std::string_view{header}.empty();
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    const unsigned char* at = bytes_of(std::string_view{der});
    x509_ptr certificate{plain ? d2i_X509(nullptr, &at, size) : nullptr};
    if (!certificate || at != bytes_of(std::string_view{der}) + size) return refused("its DER is damaged");
    return certificate;
}

expected<node_identity> read_node(X509* certificate) {
    auto common = read_common(certificate, KU_DIGITAL_SIGNATURE);
    if (!common) return tl::unexpected{common.error()};
    if (!has_exactly(certificate, {NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_subject_alt_name,
                                   NID_subject_key_identifier, NID_authority_key_identifier}))
        return refused("its extensions are not those of a node");
    // Not X509_check_ca, which believes CA:TRUE only together with a key usage to match.
    if ((X509_get_extension_flags(certificate) & EXFLAG_CA) != 0 || X509_get_pathlen(certificate) != -1)
        return refused("it is an authority's");
    if (!is_for_both_sides(certificate)) return refused("it is not for client and server");
    if (common->issuer.common_name != authority_common_name ||
        common->issuer.organization != common->subject.organization)
        return refused("its issuer is not the authority of its own cluster");
    const auto number = read_number(common->subject.common_name);
    if (!number) return tl::unexpected{number.error()};
    auto hosts = read_hosts(certificate);
    if (!hosts) return tl::unexpected{hosts.error()};
    return node_identity{common->subject.organization, *number,          common->not_before, common->not_after,
                         common->fingerprint,          std::move(*hosts)};
}

expected<authority_identity> read_authority(X509* certificate) {
    auto common = read_common(certificate, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    if (!common) return tl::unexpected{common.error()};
    if (!has_exactly(certificate, {NID_basic_constraints, NID_key_usage, NID_subject_key_identifier}))
        return refused("its extensions are not those of an authority");
    if (X509_check_ca(certificate) != 1 || X509_get_pathlen(certificate) != 0)
        return refused("it is not a CA with path length 0");
    if (common->subject.common_name != authority_common_name ||
        common->issuer.common_name != authority_common_name ||
        common->issuer.organization != common->subject.organization)
        return refused("its subject and issuer are not one authority");
    if (X509_verify(certificate, X509_get0_pubkey(certificate)) != 1) return refused("it is not signed by itself");
    return authority_identity{common->subject.organization, common->not_before, common->not_after,
                              common->fingerprint};
}

} // namespace openssl

expected<node_identity> certificate_identity(std::string_view pem) {
    const openssl::error_mark errors;
    const auto certificate = openssl::read_certificate(pem);
    if (!certificate) return tl::unexpected{certificate.error()};
    return openssl::read_node(certificate->get());
}

expected<authority_identity> authority_certificate_identity(std::string_view pem) {
    const openssl::error_mark errors;
    const auto certificate = openssl::read_certificate(pem);
    if (!certificate) return tl::unexpected{certificate.error()};
    return openssl::read_authority(certificate->get());
}

expected<std::vector<std::string>> split_chain(std::string_view pem) {
    if (pem.size() > limits::certificate_chain_max * limits::certificate_pem_size_max)
        return openssl::refused("the chain is larger than is accepted");
    std::vector<std::string> chain;
    while (pem.find_first_not_of(openssl::white_space) != std::string_view::npos) {
        const auto end = pem.find(openssl::pem_end);
        if (end == std::string_view::npos)
            return openssl::refused("the chain is not of PEM blocks of certificates alone");
        if (chain.size() == limits::certificate_chain_max)
            return openssl::refused("the chain has more than " + std::to_string(limits::certificate_chain_max));
        chain.emplace_back(pem.substr(0, end + openssl::pem_end.size()));
        chain.back() += '\n';
        pem.remove_prefix(end + openssl::pem_end.size());
    }
    if (chain.empty()) return openssl::refused("the chain is empty");
    return chain;
}

} // namespace coppice
