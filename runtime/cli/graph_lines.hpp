// A graph of jobs as NDJSON: a line a job, as in job_line.hpp, and a `name`. In `after` stand names of the graph's
// other jobs, wherever in the file they are, and ids of jobs that are there already.
//
//     {"name": "fetch", "type": "fetch", "payload": {"url": "..."}}
//     {"name": "sum", "type": "sum", "after": ["fetch"]}
//     {"name": "tell", "type": "mail", "after": ["fetch", "sum"], "anyway": true}
//     {"name": "close", "type": "report", "callback": true}
//
// A callback starts when all other jobs of the graph have ended, however they did.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/client/values.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

// invalid_argument, with the line and the member that is wrong. Empty lines are left out.
expected<std::vector<client::graph_job>> parse_graph(std::string_view text);

} // namespace coppice::cli
