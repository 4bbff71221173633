// One job as one JSON object: a line of `job submit -f`.
//
//     {"tenant": "acme", "type": "resize", "payload": {"w": 3}, "key": "k1", "priority": 2,
//      "after": ["0199..."], "anyway": true, "delay": "90s", "traceparent": "00-4bf9...",
//      "labels": {"team": "blue"}}
//
// Only `type` must be there. An unknown member is an error: a misspelt "prority" must not pass in silence. The
// payload goes out as it was written, number for number.
#pragma once

#include <string>
#include <string_view>

#include "runtime/client/values.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

// invalid_argument, with a detail that names the member.
expected<client::job_spec> parse_job_line(std::string_view line);

// invalid_argument: "\"member\" what".
tl::unexpected<failure> wrong_member(std::string_view member, const std::string& what);

// The parts that flags and lines share; the detail names neither flag nor member.
expected<job_id> parse_parent(std::string_view text);
expected<milliseconds> parse_delay(std::string_view text);

// The text of the member `name` of a valid JSON object, as it is written; empty when there is none.
std::string_view raw_member(std::string_view object, std::string_view name);

} // namespace coppice::cli
