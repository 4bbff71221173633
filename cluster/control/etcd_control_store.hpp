// The control store of a cluster: etcd, by the JSON gateway that every member serves beside gRPC (3.4 and later).
//
// One thread of its own does everything. Revisions are etcd's, which also grow with the keys of others; the history
// is etcd's cluster id.
#pragma once

#include "cluster/control/control_store.hpp"
#include "cluster/control/etcd_client.hpp"

namespace coppice {

// Connects to nothing yet. invalid_argument: what is wrong with the options.
expected<std::unique_ptr<control_store>> make_etcd_control_store(etcd_options options);

} // namespace coppice
