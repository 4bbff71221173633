// What the tests of tokens share: keys, a good set of claims, and a forger that signs whatever it is told.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

#include "runtime/auth/jwt.hpp"
#include "schema/base64url.hpp"

namespace coppice::auth_test {

inline const instant now = from_us(1'790'000'000'000'000);

inline std::int64_t seconds(instant t) { return to_us(t) / 1'000'000; }

inline signing_key hmac_key(std::string kid = "h1", char fill = 'k') {
    return *signing_key::hs256(std::move(kid), std::string(32, fill));
}

// The key of RFC 7515, A.3.
inline signing_key ec_key(std::string kid = "e1", bool with_private = true) {
    const auto part = [](std::string_view text) { return *base64url_decode(text); };
    return *signing_key::es256_point(std::move(kid), part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                     part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
                                     with_private ? part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
                                                  : std::string{});
}

inline token_claims good_claims() {
    return {.who = {.role = role::service, .tenant = "acme", .subject = "billing"},
            .issued_at = now - std::chrono::minutes{1},
            .expires_at = now + std::chrono::hours{1}};
}

// The claims of a token that is accepted, as text without the closing brace, to add to.
inline std::string good_body() {
    return R"({"role":"service","tenant":"acme","sub":"billing","aud":"coppice","exp":)" +
           std::to_string(seconds(now) + 3600);
}

inline std::string forge(const signing_key& key, std::string_view header, std::string_view body) {
    const std::string text = base64url_encode(header) + '.' + base64url_encode(body);
    return text + '.' + base64url_encode(*key.sign(text));
}

inline std::string forge(std::string_view body) { return forge(hmac_key(), R"({"alg":"HS256","kid":"h1"})", body); }

inline token_verifier verifier_of(std::vector<signing_key> keys, verifier_options options = {}) {
    return *token_verifier::make(std::move(keys), std::move(options));
}

// Refused with `code`, by a detail that quotes no part of the token.
inline void check_refused(const token_verifier& verifier, const std::string& token,
                          errc code = errc::unauthenticated, instant at = now) {
    const auto result = verifier.verify(token, at);
    BOOST_TEST_CONTEXT("token " << token) {
        BOOST_REQUIRE(!result);
        BOOST_TEST(to_string(result.error().code) == to_string(code));
        BOOST_TEST(!result.error().detail.empty());
        for (std::size_t i = 0; i + 12 <= token.size(); ++i)
            if (token.substr(i, 12).find_first_of(" .") == std::string::npos)
                BOOST_REQUIRE(result.error().detail.find(token.substr(i, 12)) == std::string::npos);
    }
}

} // namespace coppice::auth_test
