// A key that signs or checks tokens, on OpenSSL 3's EVP. The algorithm belongs to the key, not to the token: a key
// made for one algorithm never computes another, so a public key can never be taken for an HMAC secret (RFC 8725,
// 2.1 and 3.1). Algorithms are rows of one table (RFC 7518, 3.1).
//
// A key is immutable and cheap to copy (copies share it); its secret is wiped when the last copy goes. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schema/errc.hpp"

namespace coppice {

enum class algorithm : std::uint8_t { hs256, es256 };

// "HS256", "ES256".
std::string_view to_string(algorithm alg);
std::optional<algorithm> algorithm_from_name(std::string_view name);

class signing_key {
  public:
    // All of these: errc::invalid_argument with a detail that says what is wrong with the key, never what it is.
    // A `kid` has 1 .. limits::key_id_size_max printable ASCII characters.

    // 32 bytes at least (limits::hmac_secret_size_min).
    static expected<signing_key> hs256(std::string kid, std::string_view secret);
    // A PEM block of a private key (PKCS #8 or SEC 1, not encrypted) or of a public one, on the curve P-256.
    static expected<signing_key> es256_pem(std::string kid, std::string_view pem);
    // Big-endian coordinates of 32 bytes each; `d`, the private number, is empty for a public key.
    static expected<signing_key> es256_point(std::string kid, std::string_view x, std::string_view y,
                                             std::string_view d);

    const std::string& kid() const { return kid_; }
    algorithm alg() const { return alg_; }
    // False for a public key, which only checks. A key that can sign is a secret.
    bool can_sign() const;

    // The JWS signature of `input`, raw: 32 bytes of HMAC, or r and s of 32 bytes each (RFC 7518, 3.4).
    // errc::invalid_argument when the key is a public one.
    expected<std::string> sign(std::string_view input) const;
    // Constant time in the HMAC's bytes. False for a signature of another size.
    bool verify(std::string_view input, std::string_view signature) const;

  private:
    struct material;
    signing_key(std::string kid, algorithm alg, std::shared_ptr<const material> m)
        : kid_(std::move(kid)), alg_(alg), material_(std::move(m)) {}

    std::string kid_;
    algorithm alg_;
    std::shared_ptr<const material> material_;
};

} // namespace coppice
