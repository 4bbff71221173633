// Who may speak for a node, at what time.
#include <openssl/pem.h>

#include "cluster/identity/openssl_handles.hpp"
#include "identity_fixture.hpp"

using namespace coppice;
using namespace coppice::identity_test;
using std::chrono::hours;
using std::chrono::seconds;

BOOST_AUTO_TEST_SUITE(identity_verification)

BOOST_AUTO_TEST_CASE(a_node_of_the_cluster_is_believed_alone_or_with_its_authority) {
    const authority a = new_authority();
    const std::string pem = issued(a, new_key(), order_of(7));
    for (const std::string& chain : {pem, pem + a.certificate_pem()}) {
        const auto identity = verify(chain, a.certificate_pem(), start);
        BOOST_REQUIRE_MESSAGE(identity, identity.error().detail);
        BOOST_TEST(identity->node.value == 7U);
        BOOST_TEST((*identity == *certificate_identity(pem)));
    }
}

BOOST_AUTO_TEST_CASE(a_namesake_authority_with_another_key_is_not_believed) {
    const authority a = new_authority(), namesake = new_authority();
    const std::string pem = issued(namesake, new_key(), order_of(7));
    check_refused(verify(pem, a.certificate_pem(), start), errc::unauthenticated, "not the authority's");
    check_refused(verify(pem + namesake.certificate_pem(), a.certificate_pem(), start), errc::unauthenticated,
                  "not the authority's");
    const authority other = new_authority("forest");
    check_refused(verify(issued(other, new_key(), order_of(7)), a.certificate_pem(), start), errc::unauthenticated,
                  "of the cluster forest, not of grove");
}

BOOST_AUTO_TEST_CASE(a_node_signs_for_nobody) {
    const authority a = new_authority();
    const node_key middle = new_key();
    const std::string middle_pem = issued(a, middle, order_of(7));
    // What node 7 could make of its own key: a certificate for node 8 that names the authority as its issuer.
    const std::string leaf = issued(a, new_key(), order_of(8));
    const auto in = openssl::reader_of(leaf);
    const openssl::x509_ptr forged{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
    const openssl::bio_ptr out{BIO_new(BIO_s_mem())};
    BOOST_REQUIRE(forged && X509_sign(forged.get(), middle.get(), EVP_sha256()) > 0);
    BOOST_REQUIRE(PEM_write_bio_X509(out.get(), forged.get()) == 1);
    const std::string forged_pem = openssl::text_of(out.get());
    check_refused(verify(forged_pem, a.certificate_pem(), start), errc::unauthenticated, "signature");
    check_refused(verify(forged_pem + middle_pem, a.certificate_pem(), start), errc::unauthenticated,
                  "not the authority's");
}

BOOST_AUTO_TEST_CASE(a_certificate_holds_to_the_second) {
    const authority a = new_authority();
    certificate_order order = order_of(7);
    order.lifetime = hours{1};
    const std::string pem = issued(a, new_key(), order);
    const auto identity = certificate_identity(pem);
    BOOST_REQUIRE(identity);
    const auto at = [&](instant t) { return verify(pem, a.certificate_pem(), t); };
    BOOST_TEST(at(identity->not_before).has_value());
    BOOST_TEST(at(identity->not_after - seconds{1}).has_value());
    check_refused(at(identity->not_before - seconds{1}), errc::unauthenticated, "holds from 2026-03-01T11:55:00");
    check_refused(at(identity->not_after), errc::unauthenticated, "to 2026-03-01T13:00:00");
    BOOST_TEST(!at(start - hours{24 * 365 * 60}));
    BOOST_TEST(!at(start + hours{24 * 365 * 500}));
}

BOOST_AUTO_TEST_CASE(the_authority_is_found_in_a_chain_by_its_fingerprint) {
    const authority a = new_authority(), namesake = new_authority();
    const std::string pem = issued(a, new_key(), order_of(7));
    const auto found = authority_in_chain(pem + a.certificate_pem(), a.identity().fingerprint);
    BOOST_REQUIRE(found);
    BOOST_TEST(verify(pem, *found, start).has_value());
    check_refused(authority_in_chain(pem, a.identity().fingerprint), errc::unauthenticated, "join token");
    check_refused(authority_in_chain(pem + namesake.certificate_pem(), a.identity().fingerprint),
                  errc::unauthenticated, "join token");
    // A node's certificate of that fingerprint is no authority.
    check_refused(authority_in_chain(pem, certificate_identity(pem)->fingerprint), errc::unauthenticated,
                  "join token");
}

BOOST_AUTO_TEST_CASE(a_chain_is_bounded) {
    const authority a = new_authority();
    std::string chain = issued(a, new_key(), order_of(7));
    for (int i = 0; i < 4; ++i) chain += a.certificate_pem();
    check_refused(verify(chain, a.certificate_pem(), start), errc::unauthenticated, "more than 4");
    check_refused(verify(std::string(1'000'000, '-'), a.certificate_pem(), start), errc::unauthenticated, "larger");
    check_refused(verify("", a.certificate_pem(), start), errc::unauthenticated, "empty");
    check_refused(verify("nothing", a.certificate_pem(), start), errc::unauthenticated, "PEM blocks");
}

BOOST_AUTO_TEST_SUITE_END()
