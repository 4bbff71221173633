// Builds entries for the few commands that actors propose themselves.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "actors/journal/proposal.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

// `fill` is called with the list of `count` commands, all of `shard`.
template <class Fill>
proposal_ptr make_proposal(shard_id shard, std::size_t count, bool grows, proposal::done_function done,
                           Fill&& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(count)));
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), count, grows, std::move(done), shard);
}

// The attempt ended, says the node itself.
inline void write_ending(const attempt_ref& ref, cmd::Report::Outcome outcome, errc code,
                         const std::string& message, cmd::Report::Builder to) {
    write_id(ref.job, to.initJob());
    to.setAttempt(ref.attempt);
    to.setProgress(-1);
    to.setOutcome(outcome);
    to.setCode(static_cast<std::uint16_t>(code));
    to.setMessage(message.c_str());
}

} // namespace coppice
