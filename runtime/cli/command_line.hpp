// The command line of the one binary `coppice`.
#pragma once

#include <string>
#include <vector>

#include "runtime/cli/console.hpp"
#include "runtime/config/node_config.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

// The node itself (runtime/node): runs until it is told to end.
using serve_function = expected<void> (*)(const node_config& config, bool development);

// Runs one command; `arguments` are those behind the program's name. The process's exit status: exit_status.hpp.
// Ignores SIGPIPE for the whole process. One at a time, on the main thread, which must have no event loop.
// `serve` is the node; whoever has none to offer (a test) passes nullptr and does not say "serve".
int run_command_line(std::vector<std::string> arguments, console& con, serve_function serve);
int run_command_line(int argc, char** argv, serve_function serve);

} // namespace coppice::cli
