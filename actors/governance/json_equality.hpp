// When two JSON values are the same (JSON Schema core 4.2.2): numbers by value (1 is 1.0), strings by their code
// points, arrays in order, objects in any. And a hash that agrees with it, so that looking for a duplicate in n
// items takes n log n and not n^2.
//
// Both count the work they do into `work` (about one a value, one more each 64 bytes of string), for a caller with
// a budget. Recursion goes as deep as the value: callers pass what parse_json gave (limits::json_depth_max).
// Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace coppice {

bool same_json(const nlohmann::json& left, const nlohmann::json& right, std::uint64_t& work);

// same_json(a, b) implies equal hashes. Not keyed: an adversary can make collisions, which the work then shows.
std::uint64_t hash_json(const nlohmann::json& value, std::uint64_t& work);

} // namespace coppice
