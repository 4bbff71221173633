// Under which name an attempt's result is in the result store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/ids.hpp"

namespace coppice {

// "7/c4/0199...-2": tenant, the last byte of the job's id, the job and the attempt.
std::string result_name(const attempt_ref& ref);
std::optional<attempt_ref> read_result_name(std::string_view name);

} // namespace coppice
