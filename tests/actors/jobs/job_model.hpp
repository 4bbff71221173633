// The job lifecycle, slow and obvious: a struct for each job, one list of them, and every question answered by
// looking at all of them. Written from the rules, not from the machine; no indexes, no counters, no rows.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/jobs/batch_output.hpp"
#include "tests/actors/jobs/machine_ops.hpp"

namespace coppice::testing {

struct model_job {
    job_id id;
    tenant_id tenant;
    type_id type;
    job_state state{};
    int priority = 3;
    std::uint32_t attempt = 0, tries = 0, lost = 0;
    bool cancel_requested = false;
    instant ready = never, due = never, queued_due = never, job_due = never;
    std::set<job_id> pending; // parents that have not succeeded
    worker_id worker;
    std::uint32_t slots = 1; // of the worker, that the newest attempt takes
    std::string result;
    std::string payload, submitter; // by which a submission that comes once more is known
    std::string checkpoint;
    std::uint64_t likeness = 0;
    instant submitted = never, finished = never;
    job_id redriven_as;
    bool run_anyway = false;
    bool edited = false;
    errc refused = errc::ok;
};

struct model_worker {
    worker_id id;
    std::set<std::string> types;
    std::uint32_t slots = 0;
    bool draining = false;
};

class job_model {
  public:
    void set_clock(instant now);
    // A new machine knows of no time that its clock stepped back from, and of no rate's use.
    void restarted() {
        now_ = never;
        forget_meters();
    }
    void forget_meters() {
        tenant_meters_.clear();
        key_meters_.clear();
    }
    instant now() const { return now_; }

    struct answer {
        errc code = errc::ok;
        bool existing = false;
        job_id job;
    };
    answer apply(const op& what);

    // The machine decided this start: what is wrong with it, or nothing. Then it is done.
    std::string judge_start(const start_effect& start);
    // The worker that a plan kept for a job of several slots, if any: said before its starts are judged. And, when
    // they were, why that is wrong.
    void keep(worker_id kept) { kept_ = kept; }
    std::string judge_kept() const;
    // A job that could start now, and nobody started it: its id, or nil.
    job_id startable() const;

    void attach(const model_worker& w);
    void detach(worker_id id);
    void drain(worker_id id);

    const std::vector<model_job>& jobs() const { return jobs_; }
    const std::vector<model_worker>& workers() const { return workers_; }
    std::uint64_t evidence() const { return evidence_; }
    std::uint64_t timers() const { return timers_due(instant::max()).size(); }
    const model_job* find(const job_id& id) const;
    std::uint32_t type_version(type_id id) const;
    const job_type_spec* type_spec(type_id id) const; // null when not declared

  private:
    struct declared_tenant {
        tenant_id id;
        std::uint64_t version = 0;
        tenant_spec spec;
        bool refusing = false;
    };
    struct declared_type {
        type_id id;
        std::uint64_t version = 0;
        job_type_spec spec;
    };
    struct known_key {
        tenant_id tenant;
        std::string text;
        job_id job;
        std::uint64_t body = 0;
        instant expires = never;
    };
    struct timer {
        instant due;
        int kind;
        job_id job;
        auto operator<=>(const timer&) const = default;
    };

    answer on(const submit_op& o);
    answer on(const graph_op& o);
    std::optional<answer> answer_of_key(const submit_op& o) const;
    std::optional<answer> answer_of_redrive(const submit_op& o) const;
    bool is_kept(const model_job& j) const;
    void erase(const job_id& id);
    std::optional<errc> judge_type(const submit_op& o) const;
    bool refused_by_entitlement(const submit_op& o);
    bool refused_by_full_queue(tenant_id id, std::size_t more);
    errc judge_values(const submit_op& o, const std::set<job_id>& before) const;
    void take(const submit_op& o, bool as_callback = false);
    void remember_key(const submit_op& o);
    const model_job* like(tenant_id t, type_id y, std::uint64_t likeness) const;
    void answer_no_longer(const model_job& j);
    std::uint64_t key_of(const model_job& j) const;
    bool gates_let(const model_job& j) const;
    answer on(const refuse_op& o);
    answer on(const cancel_op& o);
    answer on(const delete_op& o);
    answer on(const sweep_op& o);
    answer on(const edit_op& o);
    answer on(const repair_op& o) { return {errc::ok, false, o.job}; } // what is right stays as it is
    answer on(const start_op& o);
    answer on(const report_op& o);
    answer on(const adopt_op& o);
    answer on(const tick_op& o);
    answer on(const tenant_op& o);
    answer on(const type_op& o);
    answer on(const prune_op&) { return {}; }
    answer on(const lines_stored_op& o) {
        return {find(o.job) != nullptr ? errc::ok : errc::not_found, false, o.job};
    }
    // Not in its histories: machine_schedules_test.cpp.
    answer on(const schedule_op&) { return {}; }
    answer on(const run_schedule_op&) { return {}; }

    model_job* job(const job_id& id);
    declared_tenant* tenant(tenant_id id);
    const declared_tenant* tenant(tenant_id id) const;
    const declared_type* type(type_id id) const;
    model_job& known_job(const job_id& id);
    const job_type_spec& spec_of(const model_job& j) const;
    const tenant_spec& spec_of_tenant(const model_job& j) const;
    std::size_t running_of(tenant_id t) const;
    std::size_t running_of(type_id y) const;
    std::size_t used(worker_id w) const; // slots
    bool can_run(const model_worker& w, const model_job& j) const;
    bool may_start(const model_job& j, worker_id kept) const; // at another worker than that
    bool before(const model_job& a, const model_job& b) const;

    void queue(model_job& j);
    void put_off(model_job& j, milliseconds delay);
    void end(const job_id& id, job_state how);
    void tell_children(const job_id& parent, job_state how);
    void release_callbacks();
    void unblock(model_job& j);
    void fail(const job_id& id, bool permanent, std::int64_t retry_after_ms);
    std::vector<timer> timers_due(instant by) const;
    void fire(const timer& t);

    instant now_ = never;
    std::vector<declared_tenant> tenants_;
    std::vector<declared_type> types_;
    std::vector<known_key> keys_;
    std::vector<timer> key_timers_;
    std::map<std::tuple<tenant_id, type_id, std::uint64_t>, job_id> answering_; // for their likes
    std::map<job_id, std::vector<job_id>> graphs_;
    std::map<job_id, std::set<job_id>> callbacks_; // of those that wait: the jobs that have not ended
    std::map<tenant_id, start_meter> tenant_meters_;
    std::map<std::tuple<tenant_id, type_id, std::uint64_t>, start_meter> key_meters_;
    std::vector<model_job> jobs_;
    std::vector<model_worker> workers_;
    worker_id kept_{};
    std::vector<std::pair<job_id, job_state>> ended_; // their children are told at the end of the command
    std::uint64_t evidence_ = 0;
};

} // namespace coppice::testing
