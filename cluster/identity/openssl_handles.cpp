#include "cluster/identity/openssl_handles.hpp"

#include <array>
#include <openssl/core_names.h>
#include <openssl/rand.h>

namespace coppice::openssl {

bool is_p256(EVP_PKEY* key, bool with_private) {
    std::array<char, 64> group{};
    std::size_t size = 0;
    int is_explicit = 0;
    if (EVP_PKEY_is_a(key, "EC") != 1 ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), &size) != 1 ||
        std::string_view(group.data(), size) != SN_X9_62_prime256v1)
        return false;
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 &&
        is_explicit != 0)
        return false;
    const pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    if (!ctx || EVP_PKEY_public_check(ctx.get()) != 1) return false;
    return !with_private || EVP_PKEY_pairwise_check(ctx.get()) == 1;
}

std::string random_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    return RAND_priv_bytes(bytes_of(bytes), static_cast<int>(size)) == 1 ? bytes : std::string{};
}

} // namespace coppice::openssl
