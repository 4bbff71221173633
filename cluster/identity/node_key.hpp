// A private key on P-256, of a node or of the cluster's authority.
//
// Made where it is used and never sent: what travels is a signing request, or the public key. Immutable; copies
// share it, and its number is wiped when the last copy goes. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "persistence/secret_file.hpp"
#include "schema/errc.hpp"

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace coppice {

class node_key {
  public:
    // A new one. errc::internal when OpenSSL has no random numbers.
    static expected<node_key> make();
    // From one unencrypted PEM block (PKCS #8 or SEC 1) and nothing else. errc::invalid_argument says what is wrong
    // and never quotes the key.
    static expected<node_key> from_pem(std::string_view pem);

    // As PKCS #8 in PEM: a secret.
    expected<void> write_pem(wiped_text& into) const;
    // As SubjectPublicKeyInfo in PEM.
    expected<std::string> public_pem() const;

    // OpenSSL's object, which lives as long as a copy of the key. For this folder.
    evp_pkey_st* get() const { return key_.get(); }

  private:
    explicit node_key(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    std::shared_ptr<evp_pkey_st> key_;
};

inline expected<node_key> make_node_key() { return node_key::make(); }

// A PKCS #10 request, in PEM, that proves that whoever sends it has the key. It names nobody: what its certificate
// says is the authority's to decide.
expected<std::string> make_signing_request(const node_key& key);

} // namespace coppice
