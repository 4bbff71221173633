// The commands of one call, sorted into an entry for each shard that they are for. Results come back in the order
// in which the commands were taken, whatever shards they went to.
//
// Belongs to the call that makes it, on the edge's loop.
#pragma once

#include <capnp/message.h>
#include <map>
#include <optional>

#include "runtime/edge/edge_context.hpp"
#include "runtime/edge/loop_answer.hpp"
#include "schema/commands.capnp.h"

namespace coppice {

// Why a command was refused; code ok: it was not.
inline failure failure_of(const command_result& r) { return {r.code, r.detail, r.retry_after_ms}; }

class shard_entries {
  public:
    // At most `commands_max` are taken; `first_words`: what an entry is expected to need.
    explicit shard_entries(std::size_t commands_max, std::size_t first_words = 1024)
        : commands_max_(commands_max), first_words_(first_words) {}

    // The next command, which is for `shard`.
    cmd::Command::Builder next(shard_id shard);
    std::size_t size() const { return places_.size(); }
    // What is for `shard`, as far as it is built; nothing: no command is.
    std::optional<cmd::Entry::Reader> entry_for(shard_id shard);

    // Once. One result a command; nothing when none was taken. `grows`: as proposal.hpp says.
    kj::Promise<std::vector<command_result>> propose(edge_context& edge, bool grows);

  private:
    struct entry {
        kj::Own<capnp::MallocMessageBuilder> message;
        capnp::List<cmd::Command>::Builder commands{nullptr};
        unsigned used = 0;
    };
    std::size_t commands_max_, first_words_;
    std::map<shard_id, entry> entries_;
    std::vector<std::pair<shard_id, unsigned>> places_; // of the commands, in order
};

} // namespace coppice
