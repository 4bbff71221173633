// What probes and Prometheus are told of this node's replicas; cluster/README.md says what each number means.
// `board` is read at the moment of the call, on any thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/control/control_meter.hpp"
#include "cluster/peers/peer_types.hpp"
#include "cluster/replication/replica_board.hpp"
#include "runtime/observability/metrics_server.hpp"

namespace coppice {

// Not ready while a replica that this node should hold is none yet, or stands still: for longer than
// limits::replica_standstill_max nothing was applied of what is committed (where it leads: of what is under way).
// `now`: by the steady clock.
health_answer judge_replicas(const replica_board& board, instant now);

std::string replica_metrics_text(const replica_board& board);
std::string peer_metrics_text(const std::vector<peer_statistics>& peers);
std::string control_metrics_text(const control_meter& control);

} // namespace coppice
