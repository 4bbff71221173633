// Hashes of payloads by their fields: jobs with equal fields have equal hashes, on every node and in every version.
// The first bytes of a SHA-256 over canonical JSON (bounded_json.hpp); never 0, which stands for "none". Pure; any
// thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace coppice {

struct hash128 {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const hash128&) const = default;
};
hash128 sha256_head(std::string_view bytes);

// Of the value of one top-level field. Payloads that are no object, or have no such field, share a hash of their
// own.
std::uint64_t payload_key(const nlohmann::json& payload, const std::string& field);
// `text` is a payload as it is stored: JSON, or empty for null.
std::uint64_t stored_payload_key(std::string_view text, const std::string& field);

// Of several fields; of the whole payload when none is named.
hash128 payload_likeness(const nlohmann::json& payload, std::span<const std::string> fields);

} // namespace coppice
