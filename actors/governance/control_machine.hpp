// The control store's machine: declared documents as rows, numbered once and versioned. Pure.
//
// Invariants: a number is given at the first declaration of a name and never reused; a version grows by one with
// every change; the same spec again changes nothing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "persistence/tables.hpp"
#include "schema/commands.capnp.h"
#include "schema/errc.hpp"
#include "schema/time.hpp"

namespace coppice {

inline constexpr std::string_view tenant_kind = "Tenant";
inline constexpr std::string_view job_type_kind = "JobType";
inline constexpr std::string_view schedule_kind = "Schedule";
inline bool is_known_kind(std::string_view kind) {
    return kind == tenant_kind || kind == job_type_kind || kind == schedule_kind;
}

enum class declared_change : std::uint8_t { unchanged = 0, created = 1, updated = 2 };

struct declared_row {
    std::string kind;
    std::string name;
    std::uint32_t number = 0;
    std::uint64_t version = 0;
    std::string spec; // canonical JSON
    instant changed_at = never;
    std::string changed_by;
};

struct declare_result {
    declared_change change = declared_change::unchanged;
    declared_row row;
};

// Errors: storage is the transaction's affair; `overloaded` when there is no number left.
expected<declare_result> declare(tables& t, cmd::Declare::Reader command, instant now);

// All rows of a kind, by name; an empty kind gives all.
std::vector<declared_row> declared_rows(read_tables& t, std::string_view kind);

// How often this store was opened by a node, this time included: the life in worker_id.
std::uint32_t begin_life(tables& t);

} // namespace coppice
