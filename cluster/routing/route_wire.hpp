// The parts of routing messages that are more than a field or two, as bytes (schema/routing.capnp) and back. What
// is read came over a socket: counts and sizes are checked by whoever calls, values here.
#pragma once

#include <capnp/message.h>
#include <functional>

#include "actors/jobs/batch_output.hpp"
#include "actors/messages.hpp"
#include "persistence/tables.hpp"
#include "schema/routing.capnp.h"

namespace coppice {

// A message's bytes; `fill` gets its root.
bytes route_message(shard_id shard, std::uint64_t id, const std::function<void(route::Message::Builder)>& fill);
// Calls `use` with the root. False: no sound message.
bool with_route_message(bytes_view wire, const std::function<void(route::Message::Reader)>& use);

void write_results(std::span<const command_result> results, route::Message::Builder to);
std::vector<command_result> read_results(capnp::List<route::Result>::Reader from);

void write_attempt(const attempt_ref& ref, route::Attempt::Builder to);
attempt_ref read_attempt(route::Attempt::Reader from);

void write_start(const start_effect& start, route::Start::Builder to);
start_effect read_start(route::Start::Reader from);
// Bytes that it carries, for splitting.
std::size_t size_of(const start_effect& start);

// `holds`: of the shard's attempts those that it holds; nothing: it is new.
void write_executor(const worker_attached& offer, bool is_offered,
                    const std::optional<std::vector<attempt_ref>>& holds, route::Executor::Builder to);
expected<worker_attached> read_executor(route::Executor::Reader from);
std::optional<std::vector<attempt_ref>> read_holds(route::Executor::Reader from); // after read_executor

} // namespace coppice
