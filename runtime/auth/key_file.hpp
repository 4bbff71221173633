// Keys on disk: one file or a directory of them.
//
//   *.jwk, *.json   a JWK (RFC 7517; RFC 7518, 6) or a JWK Set: kty oct with alg HS256, kty EC with crv P-256 and
//   alg
//                   ES256; `kid` and `alg` are required
//   *.pem           an EC key on P-256, private or public; the kid is the file's name without ".pem", alg is ES256
//
// In a directory, names that begin with a dot are passed over (a mounted Kubernetes secret has some); any other
// name is refused rather than overlooked. A file with a secret that group or others can read or write is refused,
// as is a public key or a directory that they can write: whoever can write a key can be anyone. Errors are
// errc::not_found, already_exists or invalid_argument; details name the file and what is wrong with it, never a
// secret.
#pragma once

#include <string>
#include <vector>

#include "runtime/auth/signing_key.hpp"
#include "schema/errc.hpp"

namespace coppice {

// All keys of the file or directory, in order of file name; at least one, at most limits::keys_max, no kid twice.
expected<std::vector<signing_key>> load_keys(const std::string& path);

// Makes a fresh HS256 key of 32 random bytes and writes it to `path`, mode 0600, durably and whole or not at all.
// errc::already_exists if something is there: a key is never overwritten.
expected<signing_key> create_hs256_key_file(const std::string& path, std::string kid);

} // namespace coppice
