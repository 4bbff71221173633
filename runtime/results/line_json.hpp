// A line of a log as a line of JSON, as the result store has it.
#pragma once

#include <string>
#include <string_view>

#include "actors/jobs/attempt.hpp"
#include "schema/errc.hpp"

namespace coppice {

// A text's bytes may take six each in JSON; what is beside it takes less than this.
inline constexpr std::size_t line_json_size_max = 6 * limits::log_line_size_max + 256;

std::string to_ndjson(const log_line& line); // with its line break
// store_damaged: it is no line that to_ndjson wrote.
expected<log_line> log_line_from(std::string_view text);

} // namespace coppice
