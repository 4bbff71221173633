// What a shard needs of the result store; and what a start lacks before its executor can have it: results of
// parents that are there.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "actors/jobs/batch_output.hpp"

namespace coppice {

// The result store. `then` is called once, on any thread, or never when the node stops.
struct result_port {
    std::function<void(const attempt_ref&, const stored_result&, std::function<void(expected<std::string>)> then)>
        get;
    std::function<void(std::span<const attempt_ref>)> drop;
    // Of an attempt's lines in the tables the oldest, as many as go into one object, but none from `below` on.
    std::function<void(const attempt_ref&, std::uint64_t below, std::function<void(expected<stored_lines>)> then)>
        store_lines;
    std::function<void(std::span<const job_id>)> drop_lines;
};

bool is_complete(const start_effect& start);

// Gets them. `then`: with the whole start, or why it is none. Once, on any thread.
void complete_start(const result_port& port, const start_effect& start,
                    std::function<void(start_effect whole, std::optional<failure> why_not)> then);

} // namespace coppice
