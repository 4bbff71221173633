// Under which names an attempt's result and its lines are in the result store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/ids.hpp"

namespace coppice {

// "7/c4/0199...-2": tenant, the last byte of the job's id, the job and the attempt.
std::string result_name(const attempt_ref& ref);
std::optional<attempt_ref> read_result_name(std::string_view name);

// "7/c4/0199...-2.lines.00000000000000001499": by the sequence of the last of them, so that what is listed after
// the name of one sequence begins with those that have the next.
std::string lines_name(const attempt_ref& ref, std::uint64_t last);
struct lines_place {
    attempt_ref ref;
    std::uint64_t last = 0;
};
std::optional<lines_place> read_lines_name(std::string_view name);
// What the names of an attempt's lines begin with; and those of all that a job has there.
std::string lines_prefix(const attempt_ref& ref);
std::string job_prefix(const job_id& job);

} // namespace coppice
