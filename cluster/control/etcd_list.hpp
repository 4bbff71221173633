// Everything below a prefix, read in pages at one revision. On the loop's thread.
#pragma once

#include "cluster/control/control_store.hpp"
#include "cluster/control/etcd_client.hpp"

namespace coppice {

// Pages shrink when an answer is over its bound, and it begins again when its revision is compacted on the way. The
// client outlives it or is stopped before.
void etcd_list(etcd_client& client, std::string below, control_answer<control_listing> done);

} // namespace coppice
