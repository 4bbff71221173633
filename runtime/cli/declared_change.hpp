// Commands that declare what is declared already, but for one thing.
#pragma once

#include "runtime/cli/declared_views.hpp"
#include "runtime/cli/invocation.hpp"

namespace coppice::cli {

// Pauses a tenant, a job type or a schedule, or lets it run again, and says so.
exit_status set_paused(invocation& call, client::blocking_client& node, declared_kind kind, const std::string& name,
                       bool paused);

} // namespace coppice::cli
