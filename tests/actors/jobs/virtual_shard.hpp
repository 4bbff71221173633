// A shard with all of its real actors, in one thread on virtual time: the journal with its group commit over the
// memory store, the scheduler, the tenants' supervisors and their job actors, put together as the node's tree is.
//
// What is not here is the world outside: workers. A test plays them: each has a session, a real executor actor that
// notes what it is told, and reports as the edge does, by proposals. There is one clock, the coordinator's, so
// timers, deadlines and leases agree to the microsecond; nothing happens until the test lets it.
#pragma once

#include <memory>
#include <random>

#include "actors/jobs/shard_actor.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/actors/supervision/virtual_node.hpp"

namespace coppice::testing {

constexpr microseconds instant_before{1}; // the finest step of the clock

// What a worker was told, in order.
struct worker_diary {
    std::vector<attempt_ref> assigned;
    std::vector<attempt_ref> cancelled;
    std::vector<attempt_ref> revoked;
};

// The edge's half of a session: tells journal and shard once that it is over.
struct worker_session_link {
    worker_id worker;
    journal_handle journal;
    shard_handle shard;
    worker_attached offer{}; // what it takes; no slots: not offered yet
    bool closed = false;
    void close(milliseconds grace);
};

// What came of a proposal.
struct heard_answer {
    int times = 0;
    std::vector<command_result> results;
    errc code() const { return results.empty() ? errc::internal : results.front().code; }
};
using heard_ptr = std::shared_ptr<heard_answer>;

// What a commit did.
struct commit_note {
    std::vector<attempt_ref> started;
    std::vector<end_effect> ended;
    std::uint64_t stale = 0; // reports that were refused
};

// Where the journal is made to fail, once: nothing of the batch is kept, or all of it and nobody is told.
enum class journal_fault { none, before_commit, after_commit };

struct virtual_shard : virtual_node {
    // Tenants 1 "acme" and 2 "bolt" may submit all types; types are numbered from 1.
    // Attempts have their job actors at once, unless `grow_after` says otherwise.
    explicit virtual_shard(const std::vector<job_type_spec>& types, backoff_spec job_actor_backoff = {},
                           milliseconds grow_after = {});
    ~virtual_shard();

    // ---- time, and who runs next
    instant now() const;
    // Passes through every time at which something is due; whatever runs has run to its end before time goes on.
    void pass(microseconds time);
    // One message of one actor, drawn at random; false when none waits.
    bool step(std::mt19937_64& random);
    void drain(std::mt19937_64& random);

    // ---- clients
    heard_ptr propose(const std::vector<op>& ops); // sent, not yet run
    job_id new_id(tenant_id tenant = tenant_id{1});
    job_id submit(type_id type = type_id{1}, tenant_id tenant = tenant_id{1});
    errc cancel(const job_id& id);

    // ---- workers
    // A session with so many slots for every type, which presents the attempts that the worker still runs; gives
    // the answer to those.
    heard_ptr attach(worker_id worker, std::uint32_t slots, const std::vector<attempt_ref>& running = {});
    // Its connection is gone; it has `grace` to come back.
    void hang_up(worker_id worker, milliseconds grace);
    caf::actor session_of(worker_id worker);
    heard_ptr report(worker_id worker, const attempt_ref& ref, outcome what); // sent, not yet run
    void heartbeat(const attempt_ref& ref);
    const worker_diary& told(worker_id worker) { return *diaries[worker]; }

    // ---- what there is
    job_view job(const job_id& id);
    attempt_ref attempt_of(const job_id& id) { return {id, job(id).attempt}; }
    std::uint64_t rows(table t) { return count_rows(*data->begin_read(), t, keys::shard(test_shard)); }
    std::string path_of(const job_id& id) const;
    tree_row job_row(const job_id& id) { return row(path_of(id)); }
    caf::actor job_actor_of(const job_id& id);
    // Makes the job's actor fail; gives whether there was one.
    bool fail_job_actor(const job_id& id);
    // The store check is clean, and held slots are running rows.
    void require_sound();

    std::unique_ptr<store> data = make_memory_store();
    std::vector<commit_note> commits;
    journal_fault fault = journal_fault::none;
    const shard_machine* machine = nullptr; // of the journal that committed last; gone when that one has failed
    std::shared_ptr<inflight_gate> gate = std::make_shared<inflight_gate>();
    relay_ptr journal = make_relay(system, when_down::stash);
    relay_ptr shard = make_relay(system, when_down::stash);
    relay_ptr tenants = make_relay(system, when_down::stash);
    relay_ptr sessions = make_relay(system, when_down::stash);
    std::map<worker_id, std::shared_ptr<worker_diary>> diaries;

  private:
    journal_port port() const { return {journal.as<journal_handle>(), gate}; }
    supervisor_spec tree(backoff_spec job_actor_backoff, milliseconds grow_after);
    void note(const commit_report& report);

    std::vector<std::string> type_names_;
    std::map<worker_id, std::shared_ptr<worker_session_link>> links_;
    job_id_minter ids_;
};

} // namespace coppice::testing
