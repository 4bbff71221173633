// A node: the process that `coppice serve` runs. This file puts the parts together and takes them apart again; the
// supervision tree is in node_tree.cpp, as a table.
//
// Order of growth: the data directory's lock, the stores, the keys, the actors, and last the edge, so that nobody
// connects to what is not there yet. It ends in reverse.
#pragma once

#include "runtime/config/node_config.hpp"
#include "schema/errc.hpp"

namespace coppice {

// Runs until SIGTERM or SIGINT; SIGHUP reads the token keys and the certificate again. Prints where it listens, one
// line each, on stdout. Expected failures (directory locked, address taken, bad key file) are values.
// `development`: DIR/operator.token, tenant "default", job type "exec", and actors that may be made to fail.
expected<void> run_node(const node_config& config, bool development);

} // namespace coppice
