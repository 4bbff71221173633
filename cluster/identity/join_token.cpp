#include "cluster/identity/join_token.hpp"

#include <cstring>
#include <limits>
#include <openssl/crypto.h>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/sha256.hpp"
#include "cluster/identity/openssl_handles.hpp"
#include "cluster/membership/json_record_reader.hpp"
#include "cluster/membership/record_text.hpp"
#include "schema/base64url.hpp"
#include "schema/hex.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

constexpr std::string_view text_prefix = "coppice-join-";
constexpr char token_version = 1;
constexpr std::size_t fingerprint_size = 32, id_size = 16, secret_size = 32, expires_size = 8, checksum_size = 4;
constexpr std::size_t fixed_size =
    2 + fingerprint_size + id_size + secret_size + expires_size + checksum_size; // all but the name
constexpr std::uint32_t record_format = 1;

void wipe(std::string& text) { OPENSSL_cleanse(text.data(), text.size()); }

std::string checksum(std::string_view bytes) {
    const sha256_digest digest = sha256(bytes);
    return {reinterpret_cast<const char*>(digest.data()), checksum_size};
}

std::string from_hex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
    return bytes;
}

std::int64_t seconds_of(instant t) {
    return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

// Bound to the cluster and the id, so that a secret proves nothing anywhere else.
std::string hash_of(std::string_view cluster, std::string_view id, std::string_view secret) {
    std::string text{"coppice join token 1\n"};
    text.append(cluster).append("\n").append(id).append("\n").append(secret);
    std::string hash = sha256_hex(text);
    wipe(text);
    return hash;
}

std::string_view take(std::string_view& bytes, std::size_t size) {
    const std::string_view taken = bytes.substr(0, size);
    bytes.remove_prefix(taken.size());
    return taken;
}

tl::unexpected<failure> bad(const char* what) { return fail(errc::invalid_argument, what); }

tl::unexpected<failure> over(instant expires) {
    return fail(errc::token_expired,
                "the join token was good until " + to_rfc3339(expires) + "; have the cluster make a new one");
}

expected<join_token> parse_bytes(std::string_view bytes, instant now) {
    if (bytes.empty()) return bad("the join token is cut off");
    // Before the checksum: what a newer version sums up, this one cannot know.
    if (bytes.front() != token_version) return bad("the join token is of another version of Coppice");
    if (bytes.size() < fixed_size) return bad("the join token is cut off");
    if (checksum(bytes.substr(0, bytes.size() - checksum_size)) != bytes.substr(bytes.size() - checksum_size))
        return bad("the join token is mistyped or cut off: its checksum is another");
    if (bytes.size() != fixed_size + static_cast<unsigned char>(bytes[1]))
        return bad("the join token's parts do not add up");
    std::string_view rest = bytes.substr(2);
    join_token token;
    token.cluster = std::string{take(rest, static_cast<unsigned char>(bytes[1]))};
    if (!is_name(token.cluster)) return bad("the join token's cluster is not a name");
    token.authority_fingerprint = hex(take(rest, fingerprint_size));
    token.id = hex(take(rest, id_size));
    token.secret = std::string{take(rest, secret_size)};
    std::uint64_t seconds = 0;
    for (const char c : take(rest, expires_size)) seconds = seconds << 8 | static_cast<unsigned char>(c);
    constexpr std::uint64_t seconds_max = 253'402'300'799; // the year 9999, which RFC 3339 ends with
    if (seconds == 0 || seconds > seconds_max) return bad("the join token's expiry is not a time");
    token.expires = instant{std::chrono::seconds{seconds}};
    if (now >= token.expires) return over(token.expires);
    return token;
}

} // namespace

join_token::~join_token() { wipe(secret); }

expected<join_token> make_join_token(const std::string& cluster, const std::string& authority_fingerprint,
                                     instant now, std::chrono::seconds lifetime) {
    if (!is_name(cluster)) return bad("the cluster's name is not a name");
    if (!is_sha256_hex(authority_fingerprint)) return bad("the fingerprint is not 64 lower-case hex digits");
    if (lifetime < std::chrono::seconds{1} || lifetime > limits::join_token_lifetime_max)
        return fail(errc::invalid_argument,
                    "a join token's lifetime is from 1s to " + format_duration(limits::join_token_lifetime_max));
    join_token token;
    token.cluster = cluster;
    token.authority_fingerprint = authority_fingerprint;
    token.id = hex(openssl::random_bytes(id_size));
    token.secret = openssl::random_bytes(secret_size);
    token.expires = std::chrono::floor<std::chrono::seconds>(now) + lifetime;
    if (token.id.empty() || token.secret.empty()) return fail(errc::internal, "no random numbers from OpenSSL");
    return token;
}

std::string to_string(const join_token& token) {
    std::string bytes;
    bytes.reserve(fixed_size + token.cluster.size());
    bytes += token_version;
    bytes += static_cast<char>(token.cluster.size());
    bytes += token.cluster;
    bytes += from_hex(token.authority_fingerprint);
    bytes += from_hex(token.id);
    bytes += token.secret;
    const auto seconds = static_cast<std::uint64_t>(seconds_of(token.expires));
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(seconds >> shift & 0xff);
    bytes += checksum(bytes);
    std::string text = std::string{text_prefix} + base64url_encode(bytes);
    wipe(bytes);
    return text;
}

expected<join_token> parse_join_token(std::string_view text, instant now) {
    constexpr std::string_view white_space = " \t\r\n";
    const auto begin = text.find_first_not_of(white_space);
    if (begin == std::string_view::npos) return bad("the join token is empty");
    text = text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
    if (text.size() > limits::join_token_size_max) return bad("this is too long for a join token");
    if (!text.starts_with(text_prefix)) return bad("a join token begins with \"coppice-join-\"");
    auto bytes = base64url_decode(text.substr(text_prefix.size()));
    if (!bytes) return bad("the join token is mistyped or cut off: it is not base64url");
    auto token = parse_bytes(*bytes, now);
    wipe(*bytes);
    return token;
}

join_record record_of(const join_token& token) {
    return {token.id, hash_of(token.cluster, token.id, token.secret), token.expires, {}};
}

expected<void> check(const join_record& record, std::string_view cluster, std::string_view id,
                     std::string_view secret, instant now) {
    const std::string hash = hash_of(cluster, id, secret);
    const bool same_secret = hash.size() == record.secret_hash.size() &&
                             CRYPTO_memcmp(hash.data(), record.secret_hash.data(), hash.size()) == 0;
    // Nothing of the record is told to whoever does not know its secret.
    if (id != record.id || !same_secret)
        return fail(errc::unauthenticated, "the join token is not one that this cluster made");
    if (record.spent_by.value != 0)
        return fail(errc::unauthenticated, "the join token was used already, by node-" +
                                               std::to_string(record.spent_by.value) +
                                               "; have the cluster make a new one");
    if (now >= record.expires) return over(record.expires);
    return {};
}

expected<join_record> spend(const join_record& record, node_id by) {
    if (by.value == 0) return bad("a node's number begins with 1");
    if (record.spent_by.value != 0)
        return fail(errc::unauthenticated,
                    "the join token was used already, by node-" + std::to_string(record.spent_by.value));
    join_record spent = record;
    spent.spent_by = by;
    return spent;
}

std::string encode(const join_record& record) {
    return canonical_json({{"format", record_format},
                           {"id", record.id},
                           {"secret_hash", record.secret_hash},
                           {"expires", to_rfc3339(record.expires)},
                           {"spent_by", record.spent_by.value}});
}

expected<join_record> decode_join_record(std::string_view json) {
    join_record record;
    std::string expires;
    json_record_reader reader = json_record_reader::parse(json, limits::join_record_size_max, record_format);
    reader.text(
        "id", record.id, [](auto text) { return is_lower_hex(text, 2 * id_size); },
        "must be 32 lower-case hex digits");
    reader.text("secret_hash", record.secret_hash, is_sha256_hex, "must be 64 lower-case hex digits");
    reader.text("expires", expires, is_canonical_time, "must be a time in UTC with microseconds");
    reader.number("spent_by", record.spent_by.value, 0, std::numeric_limits<std::uint32_t>::max());
    if (const auto ok = reader.finish(); !ok) return tl::unexpected{ok.error()};
    record.expires = *parse_rfc3339(expires);
    return record;
}

} // namespace coppice
