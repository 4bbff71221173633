// The supervision tree as an indented table.
#pragma once

#include <string>
#include <vector>

#include "runtime/cli/output.hpp"
#include "runtime/client/values.hpp"

namespace coppice::cli {

// Rows come parents first, as the node gives them; the first one's depth is the margin. Columns: name, kind, state,
// mailbox, handled, restarts, age, last failure, and memory where any is known.
std::string tree_text(const std::vector<client::tree_row>& rows, std::size_t width);
std::string tree_row_json(const client::tree_row& row);

} // namespace coppice::cli
