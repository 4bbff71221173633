// Tokens: JSON Web Tokens (RFC 7519) in compact JWS form (RFC 7515), read as RFC 8725 advises.
//
// The signature is checked before a claim is looked at, with a key chosen by `kid` and with that key's own
// algorithm; the header must name the same one. What is not understood is refused (`crit`, `none`, a second member
// of the same name, bits that say nothing). Details of errors name the rule that was broken and never quote a
// token. Nothing here reads a clock. Any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/auth/roles.hpp"
#include "runtime/auth/signing_key.hpp"
#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice {

inline constexpr std::string_view default_audience = "coppice";

// What a token says.
struct token_claims {
    principal who;                          // `role`, `tenant`, `sub`
    std::string audience{default_audience}; // `aud`
    std::optional<std::string> issuer;      // `iss`
    instant issued_at = never;              // `iat`, whole seconds; `never` leaves it out
    std::optional<instant> not_before;      // `nbf`, whole seconds
    instant expires_at = never;             // `exp`, whole seconds
};

// The token. errc::invalid_argument when the key is a public one, or when the claims are ones that `verify` would
// refuse whatever the time (no tenant for a role that needs one, a bad name, an end before the beginning).
expected<std::string> issue_token(const signing_key& key, const token_claims& claims);

struct verified_token {
    principal who;
    instant expires_at = never; // whoever holds a session open on this token ends it here
    std::string kid;            // of the key that signed
};

struct verifier_options {
    std::string audience{default_audience}; // `aud` must be this or contain it
    std::optional<std::string> issuer;      // set: `iss` must be there and be this
};

class token_verifier {
  public:
    // errc::invalid_argument for no key, more than limits::keys_max, two of one kid, or an empty audience.
    static expected<token_verifier> make(std::vector<signing_key> keys, verifier_options options);

    // errc::unauthenticated, token_expired or token_audience.
    expected<verified_token> verify(std::string_view token, instant now) const;

  private:
    token_verifier(std::vector<signing_key> keys, verifier_options options)
        : keys_(std::move(keys)), options_(std::move(options)) {}

    std::vector<signing_key> keys_;
    verifier_options options_;
};

// ---- the layer below: a signed text, whatever it says

struct verified_jws {
    std::string payload;
    const signing_key* key = nullptr; // of `keys`
};

// errc::unauthenticated.
expected<verified_jws> verify_jws(std::string_view token, std::span<const signing_key> keys);

// errc::invalid_argument for a public key or a result beyond limits::token_size_max.
expected<std::string> sign_jws(const signing_key& key, std::string_view payload);

} // namespace coppice
