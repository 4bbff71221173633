// Whoever submits to one shard: each job has one id for ever, and is sent again and again until it is acknowledged.
#pragma once

#include <set>

#include "tests/actors/jobs/machine_ops.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/simulation/checkers.hpp"

namespace coppice::testing {

class shard_submitter {
  public:
    shard_submitter(sim_cluster& c, shard_id shard, violations& found) : history(found), c_(c), shard_(shard) {}
    virtual ~shard_submitter() = default;
    shard_submitter(const shard_submitter&) = delete;
    shard_submitter& operator=(const shard_submitter&) = delete;

    void declare(const timeouts_spec& timeouts = {}) {
        if (declared_) return;
        job_type_spec build;
        build.name = "build";
        build.timeouts = timeouts;
        if (const auto at = whom_to_tell())
            send(*at, {tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, false,
                 [this](errc code) { declared_ = declared_ || code == errc::ok; });
        c_.after(500'000, [this, timeouts] { declare(timeouts); });
    }
    bool declared() const { return declared_; }
    job_id submit() {
        const job_id id = ids_.next(to_ms(c_.now()), shard_, tenant_id{1}, 7);
        open_.insert(id);
        submit_again(id);
        return id;
    }
    history_checker history;

  protected:
    // Whom to ask now; nobody: again later.
    virtual std::optional<node_id> whom_to_ask() = 0;
    virtual std::optional<node_id> whom_to_tell() { return whom_to_ask(); } // of the declarations
    virtual void send(node_id to, const std::vector<op>& ops, bool grows, std::function<void(errc)> done) = 0;
    virtual void acknowledged(const job_id&) {}

    // Asks until `answered` says that it need not ask again, or `is_open` that nobody wants to know.
    void ask_again(const std::vector<op>& ops, bool grows, const std::function<bool()>& is_open,
                   const std::function<void(errc)>& answered) {
        if (!is_open()) return;
        if (const auto at = whom_to_ask()) send(*at, ops, grows, answered);
        c_.after(c_.between({200'000, 600'000}),
                 [this, ops, grows, is_open, answered] { ask_again(ops, grows, is_open, answered); });
    }
    bool all_acknowledged() const { return open_.empty(); }

    sim_cluster& c_;
    const shard_id shard_;

  private:
    void submit_again(const job_id& id) {
        ask_again(
            {submit_op{.job = id}}, true, [this, id] { return open_.contains(id); },
            [this, id](errc code) {
                if (code != errc::ok || open_.erase(id) == 0) return;
                history.acknowledged(id);
                acknowledged(id);
            });
    }

    job_id_minter ids_;
    bool declared_ = false;
    std::set<job_id> open_;
};

} // namespace coppice::testing
