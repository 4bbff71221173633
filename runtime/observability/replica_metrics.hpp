// What probes and Prometheus are told of this node's replicas; cluster/README.md says what each number means.
// `board` is read at the moment of the call, on any thread.
#pragma once

#include <string>

#include "cluster/replication/replica_board.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

// Not ready while a replica that this node should hold is none yet, or stands still: for longer than
// limits::replica_standstill_max nothing was applied of what is committed (where it leads: of what is under way).
// `now`: by the steady clock.
health_answer judge_replicas(const replica_board& board, instant now);

// `links`: to other nodes, that are up.
std::string replica_metrics_text(const replica_board& board, std::size_t links);

} // namespace coppice
