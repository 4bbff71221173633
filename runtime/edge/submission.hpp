// From a JobSpec of the wire to a Submit command: names to numbers, the payload against its schema, an id. What is
// refused here never reaches the journal, but for a payload that its type's schema refuses: that leaves evidence.
#pragma once

#include <nlohmann/json.hpp>

#include "runtime/edge/call_guard.hpp"
#include "runtime/edge/shard_entries.hpp"

namespace coppice {

class submission_builder {
  public:
    // `shards`: of the cluster. `wanted`: what the caller must be allowed.
    submission_builder(const session_identity& identity, const catalog& declared, job_id_minter& minter,
                       std::size_t shards, instant now, permission wanted = permission::submit_jobs)
        : identity_(identity), declared_(declared), minter_(minter), shards_(shards), now_(now), wanted_(wanted) {}

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
    expected<nlohmann::json> check_payload(api::JobSpec::Reader spec, const declared_type& type) const;

    const session_identity& identity_;
    const catalog& declared_;
    job_id_minter& minter_;
    std::size_t shards_;
    instant now_;
    permission wanted_;
};

} // namespace coppice
