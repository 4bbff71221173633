#include "runtime/results/sha256.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace coppice {

std::array<std::byte, 32> sha256(std::string_view bytes) {
    std::array<std::byte, 32> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
                   nullptr) != 1 ||
        size != digest.size())
        throw std::runtime_error("SHA-256 is not there");
    return digest;
}

std::string sha256_hex(std::string_view bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte each : sha256(bytes)) {
        text += digits[std::to_integer<unsigned>(each >> 4)];
        text += digits[std::to_integer<unsigned>(each & std::byte{15})];
    }
    return text;
}

} // namespace coppice
