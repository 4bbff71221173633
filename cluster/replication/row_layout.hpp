// Which form the rows of this program have: another one for every text of schema/records.capnp.
//
// Replicas compare digests of what they wrote, byte by byte. Two versions of the program write the same row in
// other bytes as soon as its struct has grown, also where all new fields are at their defaults, so a digest is
// compared with those of the same layout alone. While nodes of two versions work together nothing is compared
// between them; afterwards a replica that was of another layout before takes over the primary's digest, and
// compares from there on (replicated_journal::compare_digest). Which replicas have one digest behind them says its
// `chain`.
#pragma once

#include <cstdint>

namespace coppice {

std::uint64_t row_layout(); // never 0

} // namespace coppice
