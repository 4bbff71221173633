// From a graph of the wire, whose jobs name each other, to one SubmitGraph command, whose jobs come after their
// parents and name them by id. What is refused here is refused whole.
#pragma once

#include "actors/governance/payload_key.hpp"
#include "runtime/edge/submission.hpp"

namespace coppice {

class graph_submission {
  public:
    // The builder and the answer's shapes are as submission.hpp says; both outlive this.
    graph_submission(submission_builder& builder, api::JobService::SubmitGraphParams::Reader asked)
        : builder_(builder), asked_(asked) {}

    // Adds one command to `entries` and gives nothing; or gives why the graph is refused. `evidence`: the command
    // is one that leaves evidence of the refusal.
    std::optional<failure> build(shard_entries& entries, bool& evidence);
    // After build: of each job, in the order in which they were named.
    const std::vector<job_id>& ids() const { return ids_; }

  private:
    std::optional<failure> check_jobs(shard_entries& entries, bool& evidence);
    std::optional<failure> link();
    std::optional<failure> find_callback();
    std::optional<failure> sort();
    failure cycle() const;
    std::string quoted(unsigned i) const;
    hash128 body_hash(const std::vector<submission_builder::checked>& jobs) const;

    submission_builder& builder_;
    api::JobService::SubmitGraphParams::Reader asked_;
    std::vector<submission_builder::checked> jobs_;
    std::vector<job_id> ids_;
    std::vector<std::vector<unsigned>> parents_; // by place in the list, each once
    std::vector<unsigned> order_;                // parents first, the callback last
    std::optional<unsigned> callback_;
};

} // namespace coppice
