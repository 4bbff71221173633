#include "runtime/auth/signing_key.hpp"

#include <algorithm>
#include <array>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <vector>

#include "schema/limits.hpp"

namespace coppice {
namespace {

enum class signature_form : std::uint8_t {
    mac,       // HMAC; the key is bytes
    ecdsa_raw, // r and s side by side, where OpenSSL has DER
};

struct algorithm_row {
    algorithm alg;
    const char* name;
    signature_form form;
    const char* digest;
    const char* group;          // the curve, by OpenSSL's name
    std::size_t signature_size; // bytes
};

constexpr std::array rows{
    algorithm_row{algorithm::hs256, "HS256", signature_form::mac, "SHA256", nullptr, 32},
    algorithm_row{algorithm::es256, "ES256", signature_form::ecdsa_raw, "SHA256", "prime256v1", 64},
};

const algorithm_row& row_of(algorithm alg) { return rows[static_cast<std::size_t>(alg)]; }

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using pkey_ctx_ptr = std::unique_ptr<EVP_PKEY_CTX, freed_by<EVP_PKEY_CTX_free>>;
using md_ctx_ptr = std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX_free>>;
using bn_ptr = std::unique_ptr<BIGNUM, freed_by<BN_clear_free>>;
using ecdsa_ptr = std::unique_ptr<ECDSA_SIG, freed_by<ECDSA_SIG_free>>;
using param_bld_ptr = std::unique_ptr<OSSL_PARAM_BLD, freed_by<OSSL_PARAM_BLD_free>>;
using params_ptr = std::unique_ptr<OSSL_PARAM, freed_by<OSSL_PARAM_free>>;

// OpenSSL keeps errors in a queue of the thread, where the next SSL_get_error would take ours for its own.
class error_queue_mark {
  public:
    error_queue_mark() { ERR_set_mark(); }
    ~error_queue_mark() { ERR_pop_to_mark(); }
    error_queue_mark(const error_queue_mark&) = delete;
    error_queue_mark& operator=(const error_queue_mark&) = delete;
};

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data()); // NOLINT: OpenSSL's spelling of bytes
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

bool kid_is_valid(std::string_view kid) {
    return !kid.empty() && kid.size() <= limits::key_id_size_max &&
           std::ranges::all_of(kid, [](char c) { return c > 0x20 && c < 0x7f; });
}

tl::unexpected<failure> bad_kid() {
    return fail(errc::invalid_argument, "a kid must be 1 to " + std::to_string(limits::key_id_size_max) +
                                            " printable ASCII characters without spaces");
}

// The key must be on the row's curve, its point on the curve and not at infinity, its private number fit.
bool pkey_fits(EVP_PKEY* key, const algorithm_row& row, bool with_private) {
    std::array<char, 64> group{};
    std::size_t size = 0;
    if (EVP_PKEY_is_a(key, "EC") != 1) return false;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), &size) != 1 ||
        std::string_view(group.data(), size) != row.group)
        return false;
    // Parameters spelled out are how CVE-2020-0601 moved the generator; a name leaves nothing to compare.
    int is_explicit = 0;
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 &&
        is_explicit != 0)
        return false;
    const pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    if (!ctx || EVP_PKEY_public_check(ctx.get()) != 1) return false;
    return !with_private || EVP_PKEY_pairwise_check(ctx.get()) == 1;
}

// An encrypted key would make OpenSSL ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

std::string mac(const algorithm_row& row, std::string_view secret, std::string_view input) {
    std::string out(row.signature_size, '\0');
    std::size_t size = 0;
    if (EVP_Q_mac(nullptr, "HMAC", nullptr, row.digest, nullptr, secret.data(), secret.size(), bytes_of(input),
                  input.size(), bytes_of(out), out.size(), &size) == nullptr)
        return {};
    return out;
}

std::string der_to_raw(std::string_view der, std::size_t size) {
    const unsigned char* at = bytes_of(der);
    const ecdsa_ptr sig{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
    if (!sig) return {};
    std::string raw(size, '\0');
    const int half = static_cast<int>(size / 2);
    if (BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), bytes_of(raw), half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), bytes_of(raw) + half, half) != half)
        return {};
    return raw;
}

std::string raw_to_der(std::string_view raw) {
    const int half = static_cast<int>(raw.size() / 2);
    bn_ptr r{BN_bin2bn(bytes_of(raw), half, nullptr)};
    bn_ptr s{BN_bin2bn(bytes_of(raw) + half, half, nullptr)};
    const ecdsa_ptr sig{ECDSA_SIG_new()};
    if (!r || !s || !sig || ECDSA_SIG_set0(sig.get(), r.get(), s.get()) != 1) return {};
    (void)r.release();
    (void)s.release();
    const int size = i2d_ECDSA_SIG(sig.get(), nullptr);
    if (size <= 0) return {};
    std::string der(static_cast<std::size_t>(size), '\0');
    unsigned char* at = bytes_of(der);
    i2d_ECDSA_SIG(sig.get(), &at);
    return der;
}

std::string pkey_sign(const algorithm_row& row, EVP_PKEY* key, std::string_view input) {
    const md_ctx_ptr ctx{EVP_MD_CTX_new()};
    std::size_t size = 0;
    if (!ctx || EVP_DigestSignInit_ex(ctx.get(), nullptr, row.digest, nullptr, nullptr, key, nullptr) != 1 ||
        EVP_DigestSign(ctx.get(), nullptr, &size, bytes_of(input), input.size()) != 1)
        return {};
    std::string signature(size, '\0');
    if (EVP_DigestSign(ctx.get(), bytes_of(signature), &size, bytes_of(input), input.size()) != 1) return {};
    signature.resize(size);
    return der_to_raw(signature, row.signature_size);
}

bool pkey_verify(const algorithm_row& row, EVP_PKEY* key, std::string_view input, std::string_view signature) {
    const std::string der = raw_to_der(signature);
    const md_ctx_ptr ctx{EVP_MD_CTX_new()};
    return !der.empty() && ctx &&
           EVP_DigestVerifyInit_ex(ctx.get(), nullptr, row.digest, nullptr, nullptr, key, nullptr) == 1 &&
           EVP_DigestVerify(ctx.get(), bytes_of(der), der.size(), bytes_of(input), input.size()) == 1;
}

pkey_ptr pkey_from_point(const char* group, std::string_view x, std::string_view y, std::string_view d) {
    const std::string point = '\x04' + std::string{x} + std::string{y}; // SEC 1, 2.3.3: uncompressed
    const param_bld_ptr build{OSSL_PARAM_BLD_new()};
    const bn_ptr number{d.empty() ? nullptr : BN_bin2bn(bytes_of(d), static_cast<int>(d.size()), nullptr)};
    if (!build || OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1 ||
        (number && OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) != 1))
        return nullptr;
    const params_ptr params{OSSL_PARAM_BLD_to_param(build.get())};
    const pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
    EVP_PKEY* key = nullptr;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, d.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR, params.get()) != 1)
        return nullptr;
    return pkey_ptr{key};
}

} // namespace

std::string_view to_string(algorithm alg) { return row_of(alg).name; }

std::optional<algorithm> algorithm_from_name(std::string_view name) {
    for (const algorithm_row& row : rows)
        if (name == row.name) return row.alg;
    return std::nullopt;
}

struct signing_key::material {
    std::string secret; // of an HMAC key
    pkey_ptr pkey;      // of any other
    bool can_sign = false;

    material(std::string_view bytes, pkey_ptr key, bool signs)
        : secret(bytes), pkey(std::move(key)), can_sign(signs) {}
    ~material() { OPENSSL_cleanse(secret.data(), secret.size()); }
    material(const material&) = delete;
    material& operator=(const material&) = delete;
};

expected<signing_key> signing_key::hs256(std::string kid, std::string_view secret) {
    if (!kid_is_valid(kid)) return bad_kid();
    if (secret.size() < limits::hmac_secret_size_min || secret.size() > limits::hmac_secret_size_max)
        return fail(errc::invalid_argument, "an HS256 secret must be " +
                                                std::to_string(limits::hmac_secret_size_min) + " to " +
                                                std::to_string(limits::hmac_secret_size_max) +
                                                " bytes; this one has " + std::to_string(secret.size()));
    return signing_key{std::move(kid), algorithm::hs256, std::make_shared<const material>(secret, nullptr, true)};
}

expected<signing_key> signing_key::es256_pem(std::string kid, std::string_view pem) {
    const error_queue_mark mark;
    if (!kid_is_valid(kid)) return bad_kid();
    const auto read = [&](auto reader) {
        const bio_ptr bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
        return pkey_ptr{bio ? reader(bio.get(), nullptr, no_passphrase, nullptr) : nullptr};
    };
    pkey_ptr key = read(PEM_read_bio_PrivateKey);
    const bool is_private = key != nullptr;
    if (!is_private) key = read(PEM_read_bio_PUBKEY);
    if (!key) return fail(errc::invalid_argument, "no PEM block of an unencrypted private key or of a public key");
    if (!pkey_fits(key.get(), row_of(algorithm::es256), is_private))
        return fail(errc::invalid_argument, "an ES256 key must be a valid EC key on the curve P-256");
    return signing_key{std::move(kid), algorithm::es256,
                       std::make_shared<const material>("", std::move(key), is_private)};
}

expected<signing_key> signing_key::es256_point(std::string kid, std::string_view x, std::string_view y,
                                               std::string_view d) {
    const error_queue_mark mark;
    if (!kid_is_valid(kid)) return bad_kid();
    if (x.size() != 32 || y.size() != 32 || (!d.empty() && d.size() != 32))
        return fail(errc::invalid_argument, "the numbers of a P-256 key must be 32 bytes each");
    const algorithm_row& row = row_of(algorithm::es256);
    pkey_ptr key = pkey_from_point(row.group, x, y, d);
    if (!key || !pkey_fits(key.get(), row, !d.empty()))
        return fail(errc::invalid_argument, "the numbers are not a key on the curve P-256");
    return signing_key{std::move(kid), algorithm::es256,
                       std::make_shared<const material>("", std::move(key), !d.empty())};
}

bool signing_key::can_sign() const { return material_->can_sign; }

expected<std::string> signing_key::sign(std::string_view input) const {
    const error_queue_mark mark;
    if (!can_sign()) return fail(errc::invalid_argument, "a public key cannot sign; use the private one");
    const algorithm_row& row = row_of(alg_);
    std::string signature = row.form == signature_form::mac ? mac(row, material_->secret, input)
                                                            : pkey_sign(row, material_->pkey.get(), input);
    if (signature.size() != row.signature_size) return fail(errc::internal, "OpenSSL could not sign");
    return signature;
}

bool signing_key::verify(std::string_view input, std::string_view signature) const {
    const error_queue_mark mark;
    const algorithm_row& row = row_of(alg_);
    if (signature.size() != row.signature_size) return false;
    if (row.form == signature_form::ecdsa_raw) return pkey_verify(row, material_->pkey.get(), input, signature);
    const std::string expected_mac = mac(row, material_->secret, input);
    return expected_mac.size() == signature.size() &&
           CRYPTO_memcmp(expected_mac.data(), signature.data(), signature.size()) == 0;
}

} // namespace coppice
