// A graph of jobs as a person or Graphviz reads it.
#pragma once

#include <string>
#include <vector>

#include "runtime/client/values.hpp"

namespace coppice::cli {

// A line a job, parents first, indented by the longest way to it; then what it runs after. `jobs`: parents first.
std::string graph_text(const std::vector<client::job_view>& jobs);
// The DOT language: a node a job with type and state, an edge from each parent.
std::string graph_dot(const std::vector<client::job_view>& jobs);

} // namespace coppice::cli
