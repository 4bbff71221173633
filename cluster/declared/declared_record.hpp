// A declared document as it stands in the control store: canonical JSON under `/declared/<kind>/<name>`.
//
//     {"changed_at":"2026-11-20T19:55:01.123456Z","changed_by":"ann","format":1,"number":3,"spec":"{...}","version":2}
//
// The spec is a text inside it, for its canonical form is its own (runtime/config/specs.hpp) and is compared byte
// by byte. Beside them stand counters: the last number given to a kind, and one that every change of a document
// raises.
//
// What decode gives is safe to use: numbers and sizes are within bounds, and kind and name are the key's. Pure.
#pragma once

#include <string>
#include <string_view>

#include "actors/governance/control_machine.hpp"
#include "cluster/control/control_store.hpp"

namespace coppice {

inline constexpr std::string_view declared_prefix = "/declared/";
// Written by every transaction that writes a document, and compared by it: so one compare covers all documents that
// the transaction was made from, however many they are.
inline constexpr std::string_view declared_generation_key = "/counters/declared";

// Letters and digits, 1 to limits::name_size_max.
bool is_kind(std::string_view text);
std::string declared_key(std::string_view kind, std::string_view name); // "/declared/Tenant/acme"
std::string number_counter_key(std::string_view kind);                  // "/counters/Tenant"

std::string encode(const declared_row& row);
// invalid_argument with the first thing that is wrong with the key or the value.
expected<declared_row> decode_declared(std::string_view key, std::string_view value);

// The number that a counter holds; an empty text is 0. invalid_argument when it is none.
expected<std::uint32_t> parse_counter(std::string_view stored);

} // namespace coppice
