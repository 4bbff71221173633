// From a JobSpec of the wire to a Submit command: names to numbers, the payload against its schema, an id. What is
// refused here never reaches the journal, but for a payload that its type's schema refuses: that leaves evidence.
#pragma once

#include <capnp/message.h>

#include "runtime/edge/call_guard.hpp"
#include "schema/commands.capnp.h"

namespace coppice {

class submission_builder {
  public:
    submission_builder(const session_identity& identity, const catalog& declared, job_id_minter& minter,
                       shard_id shard, instant now)
        : identity_(identity), declared_(declared), minter_(minter), shard_(shard), now_(now) {}

    // Fills `command` and gives nothing; or gives why the job is refused. When the refusal is one that must leave
    // evidence, `command` is filled with it and `evidence` set.
    std::optional<failure> build(api::JobSpec::Reader spec, cmd::Command::Builder command, bool& evidence);

  private:
    std::optional<failure> check_bounds(api::JobSpec::Reader spec) const;
    std::optional<failure> check_payload(api::JobSpec::Reader spec, const declared_type& type) const;
    void fill(api::JobSpec::Reader spec, const job_id& id, const declared_type& type,
              cmd::Submit::Builder to) const;

    const session_identity& identity_;
    const catalog& declared_;
    job_id_minter& minter_;
    shard_id shard_;
    instant now_;
};

} // namespace coppice
