// An authority, a node's key and a time, for the tests of identities.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "cluster/identity/authority.hpp"
#include "cluster/identity/verification.hpp"

namespace coppice::identity_test {

inline const instant start = *parse_rfc3339("2026-03-01T12:00:00Z");

inline authority new_authority(const std::string& cluster = "grove", instant now = start) {
    auto made = make_authority(cluster, now);
    BOOST_REQUIRE_MESSAGE(made, made.error().detail);
    return *made;
}

inline node_key new_key() {
    auto made = make_node_key();
    BOOST_REQUIRE(made);
    return *made;
}

inline std::string new_request(const node_key& key) {
    auto made = make_signing_request(key);
    BOOST_REQUIRE(made);
    return *made;
}

inline certificate_order order_of(std::uint32_t node) {
    return {node_id{node}, {"node.example", "192.0.2.7", "2001:db8::7"}, start};
}

inline std::string issued(const authority& by, const node_key& key, const certificate_order& order) {
    auto made = issue_certificate(by, new_request(key), order);
    BOOST_REQUIRE_MESSAGE(made, made.error().detail);
    return *made;
}

// Refused with that code, and a detail that has the word in it.
template <class T>
void check_refused(const expected<T>& result, errc code, std::string_view word) {
    BOOST_TEST_CONTEXT("for " << word) {
        BOOST_REQUIRE(!result);
        BOOST_TEST_INFO(result.error().detail);
        BOOST_TEST(to_string(result.error().code) == to_string(code));
        BOOST_TEST(result.error().detail.find(word) != std::string::npos, result.error().detail);
    }
}

struct directory {
    directory() {
        std::string name = (std::filesystem::temp_directory_path() / "coppice-identity-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~directory() { std::filesystem::remove_all(path); }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    std::string path;
};

} // namespace coppice::identity_test
