// Identities on disk: modes, wholeness, and what is refused.
#include "cluster/identity/identity_files.hpp"

#include <fstream>
#include <sys/stat.h>

#include "identity_fixture.hpp"

using namespace coppice;
using namespace coppice::identity_test;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const std::string& path) {
    struct stat status {};
    BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

struct node_directory : directory {
    node_directory() {
        BOOST_REQUIRE(create_authority_files(path, ca));
        BOOST_REQUIRE(create_node_key_file(path, key));
        certificate = issued(ca, key, order_of(7));
        BOOST_REQUIRE(save_node_certificate(path, certificate, ca.certificate_pem(), start));
    }
    authority ca = new_authority();
    node_key key = new_key();
    std::string certificate;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(identity_files, node_directory)

BOOST_AUTO_TEST_CASE(what_was_written_is_read_back) {
    const auto loaded = load_authority(path);
    BOOST_REQUIRE_MESSAGE(loaded, loaded.error().detail);
    BOOST_TEST((loaded->identity() == ca.identity()));
    BOOST_TEST(verify(issued(*loaded, new_key(), order_of(8)), ca.certificate_pem(), start).has_value());
    const auto node = load_node_credentials(path, start);
    BOOST_REQUIRE_MESSAGE(node, node.error().detail);
    BOOST_TEST(node->identity.node.value == 7U);
    BOOST_TEST(node->certificate_pem == certificate);
    BOOST_TEST(node->authority_pem == ca.certificate_pem());
    BOOST_TEST(*node->key.public_pem() == *key.public_pem());
}

BOOST_AUTO_TEST_CASE(private_keys_are_their_owners_alone_and_no_draft_is_left) {
    BOOST_TEST(mode_of(path + "/authority.key") == 0600U);
    BOOST_TEST(mode_of(path + "/node.key") == 0600U);
    BOOST_TEST(std::distance(fs::directory_iterator{path}, {}) == 5);
}

BOOST_AUTO_TEST_CASE(a_key_is_never_overwritten) {
    const std::string before = text_of(path + "/node.key");
    check_refused(create_node_key_file(path, new_key()), errc::already_exists, "node.key");
    check_refused(create_authority_files(path, new_authority()), errc::already_exists, "authority.key");
    BOOST_TEST(text_of(path + "/node.key") == before);
}

BOOST_AUTO_TEST_CASE(a_renewal_replaces_the_certificate_and_keeps_the_key) {
    certificate_order order = order_of(7);
    order.now = start + std::chrono::hours{24 * 300};
    const std::string renewed = issued(ca, key, order);
    BOOST_REQUIRE(save_node_certificate(path, renewed, ca.certificate_pem(), order.now));
    const auto node = load_node_credentials(path, start + std::chrono::hours{24 * 400});
    BOOST_REQUIRE_MESSAGE(node, node.error().detail);
    BOOST_TEST(node->certificate_pem == renewed);
}

BOOST_AUTO_TEST_CASE(a_certificate_for_another_key_or_by_another_authority_is_not_kept) {
    check_refused(save_node_certificate(path, issued(ca, new_key(), order_of(7)), ca.certificate_pem(), start),
                  errc::invalid_argument, "another key");
    const authority other = new_authority();
    check_refused(save_node_certificate(path, issued(other, key, order_of(7)), ca.certificate_pem(), start),
                  errc::unauthenticated, "not the authority's");
    BOOST_TEST(text_of(path + "/node.pem") == certificate);
}

BOOST_AUTO_TEST_CASE(a_key_that_others_can_reach_and_a_certificate_they_can_write_are_refused) {
    fs::permissions(path + "/node.key", fs::perms{0640});
    check_refused(load_node_credentials(path, start), errc::invalid_argument, "node.key");
    fs::permissions(path + "/node.key", fs::perms{0600});
    fs::permissions(path + "/trusted.pem", fs::perms{0666});
    check_refused(load_node_credentials(path, start), errc::invalid_argument, "trusted.pem");
    fs::permissions(path + "/authority.key", fs::perms{0604});
    check_refused(load_authority(path), errc::invalid_argument, "authority.key");
}

BOOST_AUTO_TEST_CASE(files_that_are_missing_damaged_or_mixed_up_are_named) {
    const std::string key_text = text_of(path + "/node.key");
    std::ofstream{path + "/node.key"} << key_text.substr(0, key_text.size() / 2);
    check_refused(load_node_credentials(path, start), errc::invalid_argument, "node.key: no PEM block");
    std::ofstream{path + "/node.key"} << text_of(path + "/authority.key");
    check_refused(load_node_credentials(path, start), errc::invalid_argument, "do not belong together");
    std::ofstream{path + "/authority.key"} << key_text;
    check_refused(load_authority(path), errc::invalid_argument, "do not belong together");
    fs::remove(path + "/node.key");
    check_refused(load_node_credentials(path, start), errc::not_found, "node.key");
    check_refused(load_node_credentials(path + "/none", start), errc::not_found, "node.key");
}

BOOST_AUTO_TEST_CASE(an_expired_certificate_is_told_apart) {
    check_refused(load_node_credentials(path, start + std::chrono::hours{24 * 366}), errc::unauthenticated,
                  "holds from");
}

BOOST_AUTO_TEST_SUITE_END()
