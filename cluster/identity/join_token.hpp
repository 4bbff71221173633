// A join token: the text that an operator carries to a new node, and all that this node needs to be let in and to
// know whom it joins.
//
//   "coppice-join-" base64url( version 1 | name size | cluster's name | fingerprint 32 | id 16 | secret 32
//                              | expires, seconds 8 | checksum 4 )                           integers big-endian
//
// The checksum (the first bytes of SHA-256) is for typing errors and cut lines, not for security. The fingerprint
// is the authority's: the new node finds it in the chain that it is shown before it says its secret
// (authority_in_chain), so it never tells it to a stranger. The cluster keeps only a hash of the secret, which has
// 256 random bits and so needs no slow hash, and takes a token once: `spend` gives the record to store by
// compare-and-swap.
//
// Values; times are arguments. Any thread. A token's text is a secret: no error quotes it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

struct join_token {
    std::string cluster;
    std::string authority_fingerprint; // 64 lower-case hex digits
    std::string id;                    // 32 lower-case hex digits; no secret
    std::string secret;                // 32 bytes; wiped when the token goes
    instant expires{};                 // whole seconds; from then on it is over

    join_token() = default;
    join_token(const join_token&) = default;
    join_token& operator=(const join_token&) = default;
    ~join_token();
    bool operator==(const join_token&) const = default;
};

// What the cluster keeps, under `/join_tokens/<id>`.
struct join_record {
    std::string id;
    std::string secret_hash; // 64 lower-case hex digits
    instant expires{};
    node_id spent_by{}; // 0: not yet

    bool operator==(const join_record&) const = default;
};

// A new one; `lifetime` of 1 s to limits::join_token_lifetime_max. errc::invalid_argument for an argument,
// errc::internal without random numbers.
expected<join_token> make_join_token(const std::string& cluster, const std::string& authority_fingerprint,
                                     instant now,
                                     std::chrono::seconds lifetime = limits::join_token_lifetime_default);
std::string to_string(const join_token& token); // a secret

// The token of a text, which white space may surround. errc::invalid_argument says what is wrong (cut, mistyped, of
// a newer version), errc::token_expired when it is over at `now`.
expected<join_token> parse_join_token(std::string_view text, instant now);

join_record record_of(const join_token& token);

// On the side of the cluster: whether the id and the secret that a new node presents are those of the record, not
// spent and not over. errc::unauthenticated or token_expired. The secret is compared in constant time.
expected<void> check(const join_record& record, std::string_view cluster, std::string_view id,
                     std::string_view secret, instant now);
// The record once the node got its number; errc::unauthenticated when it is spent already. Whoever lost the answer
// needs a new token.
expected<join_record> spend(const join_record& record, node_id by);

// The record as canonical JSON, and back; strict, with errc::invalid_argument.
std::string encode(const join_record& record);
expected<join_record> decode_join_record(std::string_view json);

} // namespace coppice
