// What must hold at every instant of a run, each said once, by whoever looks only at what the nodes do: no checker
// asks the machines what they think. A violation is a sentence; a run is sound when there is none.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/sim_cluster.hpp"

namespace coppice::testing {

class violations {
  public:
    void add(std::string what) {
        if (all_.size() < 20) all_.push_back(std::move(what));
    }
    bool none() const { return all_.empty(); }
    std::string text() const;

  private:
    std::vector<std::string> all_;
};

// Submits and reads of a shard, as its clients see them. A set that only grows is linearizable when every read has
// everything that was acknowledged before the read began, and nothing that was never submitted.
class history_checker {
  public:
    explicit history_checker(violations& found) : found_(found) {}
    void acknowledged(const job_id& job) { acknowledged_.push_back(job); }
    // A node says that its tables may be read now.
    void read(node_id by, read_tables& tables);
    // Wherever a replica is at the end.
    void require_all(node_id at, read_tables& tables);
    std::size_t count() const { return acknowledged_.size(); }
    std::size_t reads() const { return reads_; }

  private:
    violations& found_;
    std::vector<job_id> acknowledged_;
    std::size_t reads_ = 0;
};

// At most one node believes that it may acknowledge and read, whatever the clocks do.
void check_one_leads(sim_cluster& c, shard_id shard, violations& found);

// Replicas that have come to the same index have the same tables, as far as their digests can be compared.
class digest_checker {
  public:
    explicit digest_checker(violations& found) : found_(found) {}
    void look(sim_cluster& c);

  private:
    violations& found_;
    // By shard, index, chain and layout.
    std::map<std::tuple<shard_id, std::uint64_t, std::uint64_t, std::uint64_t>, std::uint64_t> digests_;
};

// What the primaries' commits did: an attempt's number is given once, and a job ends once.
class effect_checker {
  public:
    explicit effect_checker(violations& found) : found_(found) {}
    void committed(const batch_output& output);

  private:
    violations& found_;
    std::set<attempt_ref> started_;
    std::set<job_id> ended_;
};

// All nodes have the same rows; of a cluster that has come to rest.
void check_same_tables(sim_cluster& c, violations& found);

// The feed has no gap; each job has one end in it at the most, and nothing after that.
void check_events(read_tables& tables, shard_id shard, violations& found);

} // namespace coppice::testing
