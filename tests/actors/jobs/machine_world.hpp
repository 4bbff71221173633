// A shard for a test: a store, the machine, a clock that the test turns, and workers. Every batch is committed, and
// after it the store is checked and held slots are compared with running rows.
#pragma once

#include <boost/test/unit_test.hpp>
#include <random>

#include "actors/jobs/shard_machine.hpp"
#include "actors/jobs/store_check.hpp"
#include "persistence/memory_store.hpp"
#include "tests/actors/jobs/machine_ops.hpp"

namespace coppice::testing {

inline constexpr shard_id test_shard{5};
inline constexpr instant test_start{std::chrono::seconds{1'800'000'000}};

// COPPICE_SEED, or `otherwise`.
std::uint64_t seed_or(std::uint64_t otherwise);

struct job_view {
    job_state state{};
    std::uint32_t attempt = 0, tries = 0, lost = 0, children = 0, parents_pending = 0;
    errc code = errc::ok;
    std::string message, result;
    std::int64_t ready_us = 0, due_us = 0, started_us = 0, finished_us = 0;
    std::uint64_t evidence = 0, worker = 0, revision = 0, result_size = 0;
    bool cancel_requested = false;
    std::size_t history = 0;
    std::string last_end;
};
std::optional<job_view> read_job(read_tables& from, const job_id& id);

std::uint64_t count_rows(read_tables& from, table t, bytes_view prefix);
// Null when each table holds the same rows, or the first that differs.
std::string difference(read_tables& a, read_tables& b);
void require_sound(read_tables& from, const shard_machine& machine);

class world {
  public:
    explicit world(std::unique_ptr<store> data = make_memory_store()) : data_(std::move(data)) { reload(); }

    // One batch of these commands; plans starts unless told not to.
    const batch_output& run(const std::vector<op>& ops, bool plan = true);
    command_result one(const op& o, bool plan = true) { return run({o}, plan).results.front(); }
    const batch_output& out() const { return out_; }
    const batch_output& plan() { return run({}); }
    // What the journal would propose itself by now: timers, schedules; until nothing of it is due.
    void upkeep();
    void tick(std::uint32_t most = 1024) { run({tick_op{most}}); }

    // Tenant 1 "acme" may submit all types; type 1 "build": no timeouts, three attempts, no backoff.
    void declare_usual();
    void attach(worker_id worker, std::set<std::string> types, std::uint32_t slots, tenant_id only = {}) {
        machine_->attach_worker(worker, std::move(types), slots, only);
    }
    job_id new_id(tenant_id tenant = tenant_id{1}) { return ids_.next(to_ms(now_), test_shard, tenant, ++random_); }
    // What to submit a job of tenant 1 and type 1 with, alone or in a graph.
    submit_op spec(std::vector<job_id> after = {}) { return {.job = new_id(), .after = std::move(after)}; }
    // A job of tenant 1 and type 1, committed.
    job_id submit(submit_op s = {});
    command_result report(const job_id& id, outcome what, report_op r = {});

    job_view job(const job_id& id);
    bool exists(const job_id& id) { return read_job(*data_->begin_read(), id).has_value(); }
    std::uint64_t rows(table t) { return count_rows(*data_->begin_read(), t, keys::shard(test_shard)); }
    std::uint64_t rows(table t, bytes_view prefix) { return count_rows(*data_->begin_read(), t, prefix); }
    // Every evidence row, oldest first: its kind, code and detail.
    struct proof {
        rec::EvidenceRow::Kind kind{};
        job_state state{};
        errc code{};
        std::string detail;
    };
    std::vector<proof> evidence();

    // A new machine from the same store; its workers have to attach anew.
    void reload();
    shard_machine& machine() { return *machine_; }
    store& data() { return *data_; }
    instant now() const { return now_; }
    void pass(microseconds d) { now_ += d; }
    void set_clock(instant now) { now_ = now; }
    bool must_be_sound = true; // after every batch

  private:
    std::unique_ptr<store> data_;
    std::unique_ptr<shard_machine> machine_;
    batch_output out_;
    instant now_ = test_start;
    job_id_minter ids_;
    std::uint64_t random_ = 0;
};

} // namespace coppice::testing
