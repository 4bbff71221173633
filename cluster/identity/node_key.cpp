#include "cluster/identity/node_key.hpp"

#include <openssl/pem.h>

#include "cluster/identity/openssl_handles.hpp"
#include "schema/limits.hpp"

namespace coppice {

namespace {

// An encrypted key would make OpenSSL ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

} // namespace

expected<node_key> node_key::make() {
    const openssl::error_mark errors;
    std::shared_ptr<evp_pkey_st> key{EVP_EC_gen(SN_X9_62_prime256v1), EVP_PKEY_free};
    if (!key) return openssl::failed("making a key");
    return node_key{std::move(key)};
}

expected<node_key> node_key::from_pem(std::string_view pem) {
    const openssl::error_mark errors;
    if (pem.size() > limits::private_key_pem_size_max)
        return fail(errc::invalid_argument, "larger than a private key on P-256 is");
    const openssl::bio_ptr bio = openssl::reader_of(pem);
    openssl::pkey_ptr key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr};
    if (!key) return fail(errc::invalid_argument, "no PEM block of an unencrypted private key");
    if (!openssl::is_p256(key.get(), true))
        return fail(errc::invalid_argument, "not a valid private key on the curve P-256");
    return node_key{std::shared_ptr<evp_pkey_st>{key.release(), EVP_PKEY_free}};
}

expected<void> node_key::write_pem(wiped_text& into) const {
    const openssl::error_mark errors;
    const openssl::bio_ptr bio{BIO_new(BIO_s_mem())}; // wipes what it held when it goes
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return openssl::failed("writing a private key");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    into.text.assign(data, static_cast<std::size_t>(size));
    return {};
}

expected<std::string> node_key::public_pem() const {
    const openssl::error_mark errors;
    const openssl::bio_ptr bio{BIO_new(BIO_s_mem())};
    if (!bio || PEM_write_bio_PUBKEY(bio.get(), get()) != 1) return openssl::failed("writing a public key");
    return openssl::text_of(bio.get());
}

expected<std::string> make_signing_request(const node_key& key) {
    const openssl::error_mark errors;
    const openssl::request_ptr request{X509_REQ_new()};
    const openssl::bio_ptr bio{BIO_new(BIO_s_mem())};
    if (!request || !bio || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
        X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0 ||
        PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1)
        return openssl::failed("making a signing request");
    return openssl::text_of(bio.get());
}

} // namespace coppice
