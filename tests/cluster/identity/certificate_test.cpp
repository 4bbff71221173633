// What the authority writes, what the reader takes and what it refuses; by OpenSSL's own eyes too.
#include <map>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <set>

#include "cluster/identity/openssl_handles.hpp"
#include "identity_fixture.hpp"

using namespace coppice;
using namespace coppice::identity_test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

openssl::x509_ptr parsed(const std::string& pem) {
    const auto bio = openssl::reader_of(pem);
    openssl::x509_ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
    BOOST_REQUIRE(certificate);
    return certificate;
}

std::string pem_of(X509* certificate) {
    const openssl::bio_ptr bio{BIO_new(BIO_s_mem())};
    BOOST_REQUIRE(PEM_write_bio_X509(bio.get(), certificate) == 1);
    return openssl::text_of(bio.get());
}

// A node's certificate, altered by `alter` and signed again by the authority: what a key that leaked could make.
template <class Alter>
std::string altered(const authority& by, Alter alter) {
    const auto certificate = parsed(issued(by, new_key(), order_of(7)));
    alter(certificate.get());
    BOOST_REQUIRE(X509_sign(certificate.get(), by.key().get(), EVP_sha256()) > 0);
    return pem_of(certificate.get());
}

void drop_extension(X509* from, int kind) {
    X509_EXTENSION_free(X509_delete_ext(from, X509_get_ext_by_NID(from, kind, -1)));
}
void add_extension(X509* to, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
    const openssl::extension_ptr extension{X509V3_EXT_nconf_nid(nullptr, &context, kind, value)};
    BOOST_REQUIRE(extension);
    BOOST_REQUIRE(X509_add_ext(to, extension.get(), -1) == 1);
}
void replace_extension(X509* of, int kind, const char* value) {
    drop_extension(of, kind);
    add_extension(of, kind, value);
}
void rename(X509* certificate, std::initializer_list<std::pair<int, std::string>> parts) {
    X509_NAME* name = X509_NAME_new();
    for (const auto& [kind, text] : parts)
        X509_NAME_add_entry_by_NID(name, kind, V_ASN1_UTF8STRING, openssl::bytes_of(std::string_view{text}),
                                   static_cast<int>(text.size()), -1, 0);
    X509_set_subject_name(certificate, name);
    X509_NAME_free(name);
}

} // namespace

BOOST_AUTO_TEST_SUITE(identity_certificates)

BOOST_AUTO_TEST_CASE(a_certificate_says_whose_it_is_and_until_when) {
    const authority a = new_authority();
    const auto read = certificate_identity(issued(a, new_key(), order_of(7)));
    BOOST_REQUIRE_MESSAGE(read, read.error().detail);
    BOOST_TEST(read->cluster == "grove");
    BOOST_TEST(read->node.value == 7U);
    BOOST_TEST(to_rfc3339(read->not_before) == to_rfc3339(start - minutes{5}));
    BOOST_TEST(to_rfc3339(read->not_after) == to_rfc3339(start + hours{365 * 24}));
    BOOST_TEST(read->fingerprint.size() == 64U);
    BOOST_TEST((read->hosts == std::vector<std::string>{"node.example", "192.0.2.7", "2001:db8::7"}));
}

BOOST_AUTO_TEST_CASE(an_authority_says_so_and_lasts_ten_years) {
    const authority a = new_authority();
    const auto read = authority_certificate_identity(a.certificate_pem());
    BOOST_REQUIRE(read);
    BOOST_TEST((*read == a.identity()));
    BOOST_TEST(read->cluster == "grove");
    BOOST_TEST(to_rfc3339(read->not_after) == to_rfc3339(start + hours{10 * 365 * 24}));
    const auto x509 = parsed(a.certificate_pem());
    BOOST_TEST(X509_check_ca(x509.get()) == 1);
    BOOST_TEST(X509_get_pathlen(x509.get()) == 0);
}

BOOST_AUTO_TEST_CASE(openssl_takes_a_node_for_its_hosts_as_client_and_as_server) {
    const auto x509 = parsed(issued(new_authority(), new_key(), order_of(7)));
    BOOST_TEST(X509_check_host(x509.get(), "node.example", 0, 0, nullptr) == 1);
    BOOST_TEST(X509_check_host(x509.get(), "other.example", 0, 0, nullptr) == 0);
    BOOST_TEST(X509_check_host(x509.get(), "node-7", 0, 0, nullptr) == 0);
    BOOST_TEST(X509_check_ip_asc(x509.get(), "192.0.2.7", 0) == 1);
    BOOST_TEST(X509_check_ip_asc(x509.get(), "2001:db8::7", 0) == 1);
    BOOST_TEST(X509_check_purpose(x509.get(), X509_PURPOSE_SSL_CLIENT, 0) == 1);
    BOOST_TEST(X509_check_purpose(x509.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
    BOOST_TEST(X509_check_ca(x509.get()) == 0);
}

BOOST_AUTO_TEST_CASE(serials_are_random_and_no_two_certificates_alike) {
    const authority a = new_authority();
    const node_key key = new_key();
    std::set<std::string> fingerprints, serials;
    for (int i = 0; i < 50; ++i) {
        const std::string pem = issued(a, key, order_of(7));
        fingerprints.insert(certificate_identity(pem)->fingerprint);
        const auto x509 = parsed(pem);
        const openssl::bignum_ptr serial{ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509.get()), nullptr)};
        BOOST_TEST(BN_num_bits(serial.get()) > 64);
        BOOST_TEST(BN_num_bits(serial.get()) <= 128);
        std::string bytes(16, '\0');
        BN_bn2binpad(serial.get(), openssl::bytes_of(bytes), 16);
        serials.insert(bytes);
    }
    BOOST_TEST(fingerprints.size() == 50U);
    BOOST_TEST(serials.size() == 50U);
}

BOOST_AUTO_TEST_CASE(a_certificate_never_outlives_its_authority) {
    const authority a = new_authority();
    certificate_order order = order_of(7);
    order.now = a.identity().not_after - hours{24};
    const auto read = certificate_identity(issued(a, new_key(), order));
    BOOST_REQUIRE(read);
    BOOST_TEST((read->not_after == a.identity().not_after));
    order.now = a.identity().not_after;
    check_refused(issue_certificate(a, new_request(new_key()), order), errc::unauthenticated, "authority");
}

BOOST_AUTO_TEST_CASE(a_bare_public_key_is_certified_like_a_request) {
    const authority a = new_authority();
    const node_key key = new_key();
    const auto pem = issue_certificate(a, *key.public_pem(), order_of(9));
    BOOST_REQUIRE_MESSAGE(pem, pem.error().detail);
    BOOST_TEST(certificate_identity(*pem)->node.value == 9U);
    BOOST_TEST(X509_check_private_key(parsed(*pem).get(), key.get()) == 1);
}

BOOST_AUTO_TEST_CASE(a_request_that_its_key_did_not_sign_is_refused) {
    const authority a = new_authority();
    const std::string pem = new_request(new_key());
    const auto bio = openssl::reader_of(pem);
    const openssl::request_ptr request{PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr)};
    X509_REQ_sign(request.get(), new_key().get(), EVP_sha256());
    const openssl::bio_ptr out{BIO_new(BIO_s_mem())};
    PEM_write_bio_X509_REQ(out.get(), request.get());
    check_refused(issue_certificate(a, openssl::text_of(out.get()), order_of(7)), errc::invalid_argument,
                  "not signed by the key");
}

BOOST_AUTO_TEST_CASE(a_request_for_another_kind_of_key_is_refused) {
    for (const char* curve : {"secp384r1", "secp256k1"}) {
        const openssl::pkey_ptr other{EVP_EC_gen(curve)};
        const openssl::bio_ptr out{BIO_new(BIO_s_mem())};
        PEM_write_bio_PUBKEY(out.get(), other.get());
        check_refused(issue_certificate(new_authority(), openssl::text_of(out.get()), order_of(7)),
                      errc::invalid_argument, "P-256");
    }
    check_refused(issue_certificate(new_authority(), "", order_of(7)), errc::invalid_argument, "no PEM block");
    check_refused(issue_certificate(new_authority(), std::string(100'000, 'A'), order_of(7)),
                  errc::invalid_argument, "larger");
    check_refused(issue_certificate(new_authority(), "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", order_of(7)),
                  errc::invalid_argument, "damaged");
}

BOOST_AUTO_TEST_CASE(what_an_order_may_not_say_is_refused) {
    const authority a = new_authority();
    const std::string request = new_request(new_key());
    const auto refuse = [&](auto change, std::string_view word) {
        certificate_order order = order_of(7);
        change(order);
        check_refused(issue_certificate(a, request, order), errc::invalid_argument, word);
    };
    refuse([](auto& o) { o.node = {}; }, "begins with 1");
    refuse([](auto& o) { o.hosts.clear(); }, "1 to 16 hosts");
    refuse([](auto& o) { o.hosts.assign(17, "a"); }, "1 to 16 hosts");
    refuse([](auto& o) { o.hosts = {"a", "a"}; }, "twice");
    for (const char* host : {"", "*.example", "Node.example", "a,DNS:b", "a.", "1.2.3", "1.2.3.256", "::0", "a b",
                             "[::1]", "fe80::1%eth0", "node_1"})
        refuse([&](auto& o) { o.hosts = {host}; }, "host 1");
    refuse([](auto& o) { o.lifetime = seconds{59}; }, "lifetime");
    refuse([](auto& o) { o.lifetime = hours{24 * 366 * 4}; }, "lifetime");
    check_refused(make_authority("Not a name", start), errc::invalid_argument, "cluster's name");
    check_refused(make_authority("", start), errc::invalid_argument, "cluster's name");
}

BOOST_AUTO_TEST_CASE(a_certificate_of_another_form_is_refused_even_when_the_authority_signed_it) {
    const authority a = new_authority();
    const auto refuse = [&](auto alter, std::string_view word) {
        const std::string pem = altered(a, alter);
        check_refused(certificate_identity(pem), errc::unauthenticated, word);
        check_refused(verify(pem, a.certificate_pem(), start), errc::unauthenticated, word);
    };
    using parts = std::initializer_list<std::pair<int, std::string>>;
    constexpr int o = NID_organizationName, cn = NID_commonName;
    for (const parts& name :
         {parts{{cn, "node-7"}, {o, "grove"}}, parts{{cn, "node-7"}}, parts{{o, "grove"}},
          parts{{o, "grove"}, {cn, "node-1"}, {cn, "node-7"}}, parts{{o, "grove"}, {cn, "Node 7"}}, parts{}})
        refuse([&](X509* x) { rename(x, name); }, "an O and a CN");
    for (const char* name : {"node-0", "node-07", "node-7x", "node-4294967296", "node", "coppice-authority"})
        refuse([&](X509* x) { rename(x, {{o, "grove"}, {cn, name}}); }, "node-<number>");
    refuse([&](X509* x) { rename(x, {{o, "other"}, {cn, "node-7"}}); }, "its own cluster");
    refuse([](X509* x) { replace_extension(x, NID_basic_constraints, "critical,CA:TRUE"); }, "an authority's");
    refuse([](X509* x) { replace_extension(x, NID_basic_constraints, "CA:FALSE"); }, "extensions");
    refuse([](X509* x) { replace_extension(x, NID_ext_key_usage, "serverAuth"); }, "client and server");
    refuse([](X509* x) { replace_extension(x, NID_ext_key_usage, "serverAuth,clientAuth,codeSigning"); },
           "client and server");
    refuse([](X509* x) { drop_extension(x, NID_ext_key_usage); }, "extensions");
    refuse([](X509* x) { drop_extension(x, NID_subject_alt_name); }, "extensions");
    refuse([](X509* x) { replace_extension(x, NID_subject_alt_name, "DNS:*.example"); }, "plain host");
    refuse([](X509* x) { replace_extension(x, NID_subject_alt_name, "email:a@b.example"); }, "plain host");
    refuse([](X509* x) { replace_extension(x, NID_key_usage, "digitalSignature,keyCertSign"); }, "key usage");
    refuse([](X509* x) { add_extension(x, NID_netscape_comment, "hello"); }, "extensions");
    refuse([](X509* x) { ASN1_INTEGER_set(X509_get_serialNumber(x), 0); }, "serial");
    refuse([](X509* x) { ASN1_INTEGER_set(X509_get_serialNumber(x), -5); }, "serial");
    refuse([](X509* x) { ASN1_TIME_set(X509_getm_notAfter(x), 0); }, "span of time");
    refuse([](X509* x) { X509_set_version(x, X509_VERSION_1); }, "version 3");
    refuse([](X509* x) { X509_set_pubkey(x, openssl::pkey_ptr{EVP_EC_gen("secp384r1")}.get()); }, "P-256");
}

BOOST_AUTO_TEST_CASE(a_node_is_no_authority_and_an_authority_no_node) {
    const authority a = new_authority();
    check_refused(certificate_identity(a.certificate_pem()), errc::unauthenticated, "key usage");
    check_refused(authority_certificate_identity(issued(a, new_key(), order_of(7))), errc::unauthenticated,
                  "key usage");
}

BOOST_AUTO_TEST_CASE(only_one_whole_block_of_pem_is_read) {
    const authority a = new_authority();
    const std::string pem = issued(a, new_key(), order_of(7));
    BOOST_TEST(certificate_identity("\n " + pem + " \n").has_value());
    check_refused(certificate_identity(pem + pem), errc::unauthenticated, "exactly one");
    check_refused(certificate_identity("hello\n" + pem), errc::unauthenticated, "exactly one");
    check_refused(certificate_identity(pem + "hello"), errc::unauthenticated, "exactly one");
    check_refused(certificate_identity(""), errc::unauthenticated, "exactly one");
    check_refused(certificate_identity(pem + std::string(10'000, '\n')), errc::unauthenticated, "larger");
    wiped_text key;
    BOOST_REQUIRE(new_key().write_pem(key));
    check_refused(certificate_identity(key.text), errc::unauthenticated, "exactly one");
}

BOOST_AUTO_TEST_CASE(a_certificate_cut_or_changed_anywhere_is_refused_and_never_a_crash) {
    const authority a = new_authority();
    const std::string pem = issued(a, new_key(), order_of(7));
    for (std::size_t size = 0; size < pem.size() - 2; ++size)
        BOOST_TEST(!certificate_identity(pem.substr(0, size)), "cut to " << size);
    const auto end = pem.find("\n-----END");
    for (std::size_t at = pem.find('\n') + 1; at < end; ++at) {
        std::string changed = pem;
        // Not 'B': it differs from 'A' in the last bit alone, which before the padding belongs to no byte.
        changed[at] = changed[at] == 'A' ? 'g' : 'A';
        if (pem[at] == '\n') continue;
        BOOST_TEST(!verify(changed, a.certificate_pem(), start), "changed at " << at);
    }
}

BOOST_AUTO_TEST_SUITE_END()
