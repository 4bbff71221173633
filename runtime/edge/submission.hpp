// From a JobSpec of the wire to a Submit command: names to numbers, the payload against its schema, an id. What is
// refused here never reaches the journal, but for a payload that its type's schema refuses: that leaves evidence.
#pragma once

#include <nlohmann/json.hpp>

#include "actors/governance/payload_key.hpp"
#include "runtime/edge/call_guard.hpp"
#include "runtime/edge/shard_entries.hpp"

namespace coppice {

// Valid as long as the message.
inline std::string_view payload_text(capnp::Data::Reader payload) {
    return {reinterpret_cast<const char*>(payload.begin()), payload.size()};
}

std::optional<failure> payload_too_large(capnp::Data::Reader payload);

// The payload as JSON, parsed once for all that look at it: schema, idempotency key (`has_key`), keys and likeness;
// null when none does. payload_invalid, with every violation, when the type's schema refuses it.
expected<nlohmann::json> check_payload(std::string_view payload, const declared_type& type, bool has_key);

// What the type makes of a checked payload, in a command that has one: `to` is a Submit or an EditJob.
template <class Command>
void fill_keys(const declared_type& type, const nlohmann::json& payload, Command to) {
    if (!type.spec.concurrency.by.empty()) to.setLimitKey(payload_key(payload, type.spec.concurrency.by));
    if (!type.spec.unique) return;
    const hash128 likeness = payload_likeness(payload, type.spec.unique->by);
    to.setUniqueHigh(likeness.high);
    to.setUniqueLow(likeness.low);
}

class submission_builder {
  public:
    // `shards`: of the cluster. `wanted`: what the caller must be allowed.
    submission_builder(const session_identity& identity, const catalog& declared, job_id_minter& minter,
                       std::size_t shards, instant now, permission wanted = permission::submit_jobs)
        : identity_(identity), declared_(declared), minter_(minter), shards_(shards), now_(now), wanted_(wanted) {}

    // For a cluster with nodes that do not know of traces: jobs are taken without.
    void leave_out_traces() { traces_ = false; }

    // Adds a command to `entries` and gives nothing; or gives why the job is refused. When the refusal is one that
    // must leave evidence, a command that does so is added, and `evidence` set.
    std::optional<failure> build(api::JobSpec::Reader spec, shard_entries& entries, bool& evidence);

    // The same in two steps, for jobs of a graph. What names and payload turned out to be:
    struct checked {
        const declared_tenant* tenant = nullptr;
        const declared_type* type = nullptr;
        shard_id shard{};
        job_id id;
        nlohmann::json payload;             // null where nothing asks for it
        std::optional<failure> bad_payload; // by the type's schema, which leaves evidence
    };
    expected<checked> check(api::JobSpec::Reader spec);
    // `after`: of the job, all of them.
    void fill(api::JobSpec::Reader spec, const checked& known, const std::vector<job_id>& after,
              cmd::Submit::Builder to) const;
    void fill_refusal(const checked& known, cmd::Refuse::Builder to) const;

  private:
    std::optional<failure> check_bounds(api::JobSpec::Reader spec) const;

    const session_identity& identity_;
    const catalog& declared_;
    job_id_minter& minter_;
    std::size_t shards_;
    instant now_;
    permission wanted_;
    bool traces_ = true;
};

} // namespace coppice
