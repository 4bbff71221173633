#include "actors/governance/sha256.hpp"

#include <openssl/evp.h>

#include <stdexcept>

#include "schema/hex.hpp"

namespace coppice {

sha256_digest sha256(std::string_view bytes) {
    sha256_digest digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
                   nullptr) != 1 ||
        size != digest.size())
        throw std::runtime_error("SHA-256 is not there");
    return digest;
}

std::string sha256_hex(std::string_view bytes) {
    const sha256_digest digest = sha256(bytes);
    return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

} // namespace coppice
