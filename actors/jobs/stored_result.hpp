// Where a job's row says that its result is.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "actors/jobs/attempt.hpp"
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

} // namespace coppice
