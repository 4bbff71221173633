#include "cluster/replication/row_layout.hpp"

namespace coppice {

std::uint64_t row_layout() { return COPPICE_ROW_LAYOUT; }

} // namespace coppice
