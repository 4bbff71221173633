// Results on their way between callers and the result store: what an executor reports goes there before its end is
// proposed, what a caller asks for comes from there.
#pragma once

#include <kj/async.h>

#include "runtime/edge/edge_context.hpp"
#include "schema/api.capnp.h"

namespace coppice {

// What became of the result of a report: stored; refused, for it fits nowhere now; or neither, and it is proposed
// with the report.
struct result_place {
    std::optional<stored_result> stored;
    std::optional<failure> refused;
};

// Of each report its result, in order, as long as the message lives. Read once: each reading of bytes counts
// against what a message may make its reader look at.
using reported_results = std::vector<capnp::Data::Reader>;
reported_results results_of(capnp::List<api::AttemptReport>::Reader reports);

// Whether any of them belongs into the result store.
bool has_large_results(const edge_context& edge, const reported_results& results);

// One place a report, in order.
kj::Promise<std::vector<result_place>>
place_results(edge_context& edge, capnp::List<api::AttemptReport>::Reader reports, const reported_results& results);

// The bytes of a result that the job's row says are in the store.
kj::Promise<expected<std::string>> fetch_result(edge_context& edge, const attempt_ref& ref,
                                                const stored_result& what);

} // namespace coppice
