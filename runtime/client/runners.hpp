// The runners that come with the worker: handlers that return promises on the loop, and handlers that block, each
// in a thread.
//
// Intuition: a runner turns start, cancel and kill into calls of a handler and into reports; it knows nothing of a
// node. An attempt that is told to stop has its grace; then the runner says for it that it was cancelled.
#pragma once

#include <memory>

#include "runtime/client/worker.hpp"

namespace coppice::client {

std::unique_ptr<attempt_runner> make_promise_runner(promise_handler handler);

// `threads` of them. A handler that does not return holds its thread; the destructor tells all to stop and waits
// for them to return.
std::unique_ptr<attempt_runner> make_thread_runner(blocking_handler handler, std::size_t threads);

// Appends `text` as lines: split at newlines, each at most limits::log_line_size_max (cut, marked), numbered on.
void append_lines(std::vector<log_line>& to, std::uint64_t& next_sequence, std::string_view text, log_stream stream,
                  instant at);

} // namespace coppice::client
