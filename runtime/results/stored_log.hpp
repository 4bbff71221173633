// Lines of an attempt's log that the tables are not to keep any longer, in the result store: objects of some
// hundred lines, each a line of JSON, under the attempt's name and the sequence of the last of them. Two may
// overlap, when the node did not come to say that the first was stored; lines are known by their sequence, so
// nobody sees one twice.
//
// They have no digest: a log is for people.
#pragma once

#include "actors/jobs/start_completion.hpp"
#include "persistence/tables.hpp"
#include "runtime/results/result_desk.hpp"

namespace coppice {

// The oldest lines before `below`, as many as go into one object; at least one. Errors: not_found, there is none;
// result_desk::put's. `data` is read before it returns.
void store_lines(store& data, const std::shared_ptr<result_desk>& desk, const attempt_ref& ref, std::uint64_t below,
                 std::function<void(expected<stored_lines>)> then);

// Those of the first object that has any from `from` on; empty: there is none. Errors: unavailable, overloaded,
// store_damaged.
void fetch_lines(const std::shared_ptr<result_desk>& desk, const attempt_ref& ref, std::uint64_t from,
                 std::function<void(expected<std::vector<log_line>>)> then);

// All that these jobs have there. What fails is left to the sweep.
void drop_lines(const std::shared_ptr<result_desk>& desk, std::span<const job_id> jobs);

} // namespace coppice
