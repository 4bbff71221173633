#include "actors/governance/payload_key.hpp"

#include <algorithm>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/sha256.hpp"
#include "schema/big_endian.hpp"

namespace coppice {
namespace {

// The field's value as text; empty, which is no JSON, when it is not there.
std::string field_text(const nlohmann::json& payload, const std::string& field) {
    const auto found = payload.find(field); // end() of what is no object
    return found == payload.end() ? std::string{} : canonical_json(*found);
}

} // namespace

hash128 sha256_head(std::string_view bytes) {
    const sha256_digest digest = sha256(bytes);
    return {load_big_endian<std::uint64_t>(digest.data()), load_big_endian<std::uint64_t>(digest.data() + 8)};
}

std::uint64_t payload_key(const nlohmann::json& payload, const std::string& field) {
    return std::max<std::uint64_t>(sha256_head(field_text(payload, field)).high, 1);
}

std::uint64_t stored_payload_key(std::string_view text, const std::string& field) {
    const auto payload = parse_json(text.empty() ? "null" : text);
    return payload_key(payload ? *payload : nlohmann::json{}, field);
}

hash128 payload_likeness(const nlohmann::json& payload, std::span<const std::string> fields) {
    std::string text;
    if (fields.empty()) text = canonical_json(payload);
    for (const std::string& field : fields) text += field_text(payload, field) + '\n';
    hash128 hash = sha256_head(text);
    hash.low = std::max<std::uint64_t>(hash.low, 1);
    return hash;
}

} // namespace coppice
