// What a start lacks before its executor can have it: results of parents that are in the result store.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "actors/jobs/batch_output.hpp"

namespace coppice {

// Results in the result store, as a shard needs them. `then` is called once, on any thread, or never when the node
// stops.
struct result_port {
    std::function<void(const attempt_ref&, const stored_result&, std::function<void(expected<std::string>)> then)>
        get;
    std::function<void(std::span<const attempt_ref>)> drop;
};

bool is_complete(const start_effect& start);

// Gets them. `then`: with the whole start, or why it is none. Once, on any thread.
void complete_start(const result_port& port, const start_effect& start,
                    std::function<void(start_effect whole, std::optional<failure> why_not)> then);

} // namespace coppice
