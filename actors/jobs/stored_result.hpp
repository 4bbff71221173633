// Where a job's row, and the report that ends its attempt, say that its result is.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "actors/jobs/attempt.hpp"
#include "schema/commands.capnp.h"
#include "schema/records.capnp.h"

namespace coppice {

// Nothing: the tables have it, or there is none.
inline std::optional<stored_result> read_stored_result(rec::JobRow::Reader row) {
    const auto digest = row.getResultDigest();
    if (digest.size() != stored_result::digest_size) return std::nullopt;
    stored_result stored{.size = row.getResultSize(), .digest = {}};
    std::ranges::copy(std::as_bytes(std::span{digest.begin(), digest.size()}), stored.digest.begin());
    return stored;
}

inline void write_stored_result(const stored_result& stored, cmd::Report::Builder to) {
    to.setResultSize(stored.size);
    to.setResultDigest({reinterpret_cast<const kj::byte*>(stored.digest.data()), stored.digest.size()});
}

} // namespace coppice
