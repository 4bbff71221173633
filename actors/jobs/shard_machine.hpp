// The heart: a shard's jobs, as a pure machine. `apply` turns committed commands into rows; `plan` decides starts.
// No actor, no clock, no storage engine: tables, time and commands come in, rows and a batch_output go out, and the
// same inputs give the same rows on every replica.
//
// A batch is: begin, apply (any number of entries), plan, finish; then commit, and only then act on the output.
// When the commit fails, `load` again: everything kept in memory is a cache of the tables.
//
// Invariants (store_check.cpp verifies them on a real store):
//  - a job that waits or runs is in exactly one of: `queue` (queued), `running` (running), `timers` of kind ready
//    (scheduled), or blocked with parents_pending > 0; an ended job is in none;
//  - for each tenant and type the counters equal the rows; held slots equal `running` rows;
//  - attempt numbers of a job only grow, and a terminal state never changes;
//  - a terminal row, its evidence and its event are written in one commit.
//
// The parts, by noun: machine_submit.cpp, machine_graph.cpp, machine_unique.cpp, machine_attempt.cpp,
// machine_logs.cpp, machine_children.cpp, machine_batch.cpp, machine_timers.cpp, machine_schedules.cpp,
// machine_edit.cpp, machine_redrive.cpp, machine_retention.cpp, machine_repair.cpp, machine_restore.cpp,
// machine_plan.cpp, machine_gates.cpp; `enter` in shard_machine.cpp is the one place that moves a job between
// states.
#pragma once

#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "actors/jobs/batch_output.hpp"
#include "actors/jobs/fair_share.hpp"
#include "actors/jobs/job_keys.hpp"
#include "actors/jobs/key_homes.hpp"
#include "actors/jobs/slot_pool.hpp"
#include "actors/jobs/start_gates.hpp"
#include "actors/jobs/start_valve.hpp"
#include "actors/jobs/sweep_place.hpp"
#include "actors/schedules/schedule_book.hpp"
#include "actors/tenants/tenant_book.hpp"
#include "persistence/record.hpp"
#include "schema/commands.capnp.h"

namespace coppice {

// Of a job's or a running row: the slots that its newest attempt takes.
template <class Row>
std::uint32_t slots_of(Row row) {
    return std::max<std::uint32_t>(row.getSlots(), 1);
}

class shard_machine {
  public:
    explicit shard_machine(shard_id shard) : shard_(shard), book_(shard) {}

    // Rebuilds every cache from the tables. Workers stay attached, their used slots are counted anew.
    void load(read_tables& from);

    // One batch at a time. `out` gathers until the caller clears it. A clock that steps back is held, up to
    // limits::clock_hold_max, so that it doesn't reorder what was committed; only this machine's memory holds it,
    // so whoever repeats a batch elsewhere passes on `now()`.
    void begin(tables& t, instant now, batch_output& out);
    instant now() const { return now_; }
    // The same for a batch that was applied elsewhere before: at exactly its time, whatever this machine has seen.
    void begin_again(tables& t, instant then, batch_output& out) {
        now_ = then;
        begin(t, then, out);
    }
    // What was committed last, before this machine was made.
    void resume_at(instant then) { now_ = then; }
    // Entries are made by this process, field by field; what comes over a socket never gets here unread. Whether an
    // entry's bytes are a sound message shows only while it is read: if they are not, kj::Exception is thrown
    // half-way, and the caller drops the transaction and calls `load` (group_commit does). Values are checked here,
    // all of them.
    void apply(cmd::Entry::Reader entry);
    // Starts what may start, at most `most` jobs, and no more once they carry limits::batch_bytes_max.
    void plan(std::size_t most);
    void finish();

    // Rows of the event feed, and the sequence number of the next one.
    std::uint64_t events() const { return event_next_ - event_first_; }
    std::uint64_t next_event() const { return event_next_; }
    // When the next timer, sweep or schedule is due, or something that only a rate holds may start, if any.
    // `room`: whether new work may be made; where it may not, timers and sweeps alone count.
    std::optional<instant> next_due(read_tables& from, bool room = true,
                                    instant schedules_not_before = instant::min()) const;

    // Workers come and go; not durable. A worker that is detached still owns its running rows until they are
    // adopted or reported lost.
    // A worker with a `tenant` is given attempts of that tenant alone. `labels`: job_type_spec::workers.
    void attach_worker(worker_id id, std::set<std::string> types, std::uint32_t slots, tenant_id tenant = {},
                       std::set<std::string> labels = {}, std::uint32_t total = 0);
    void detach_worker(worker_id id) {
        pool_.detach(id);
        gates_.look_again_at(id);
    }
    void drain_worker(worker_id id) { pool_.drain(id); }
    // What else may hold starts back; outlives the machine. Null: nothing.
    void start_through(start_valve* valve) { valve_ = valve; }
    void resize_worker(worker_id id, std::uint32_t slots, std::uint64_t grant) { pool_.resize(id, slots, grant); }

    // Waiting work that lacks nothing but slots, of at most `tenants_max` tenants, those first whose turn it is.
    using waiting_work = std::vector<slot_pool::wish>;
    waiting_work unserved(std::size_t tenants_max) const;

    const tenant_book& book() const { return book_; }
    const slot_pool& pool() const { return pool_; }
    const schedule_book& schedules() const { return schedules_; }
    const sweep_place& sweeps() const { return sweep_; }
    shard_id shard() const { return shard_; }

  private:
    // One job's row under change, with what belongs to it.
    struct cell {
        job_id id;
        tenant_entry* tenant = nullptr;
        type_entry* type = nullptr;
        rec::JobRow::Builder row{nullptr};
        bool grown = false; // a text or list was replaced: write the row anew, without the old one's bytes
    };
    // How a job's attempt or wait came to an end.
    struct ending {
        errc code = errc::ok;
        std::string_view detail;
    };

    // ---- shard_machine.cpp
    void apply_one(cmd::Command::Reader command, command_result& result);
    void declare(cmd::DeclareTenant::Reader d, command_result& result);
    void declare(cmd::DeclareType::Reader d, command_result& result);
    // One stored job is open at a time: the next `open` ends the cell of the last one.
    bool open(const job_id& id, cell& into);
    void save(cell& c);
    void enter(cell& c, job_state to);
    void leave(cell& c, job_state from);
    void enter_queue(cell& c);
    void enter_place(cell& c); // of the queue
    void leave_place(cell& c);
    void enter_terminal(cell& c, job_state to);
    void append_event(cell& c, job_state to);
    void append_evidence(rec::EvidenceRow::Builder row);
    void set_error(cell& c, const ending& e);
    void refresh_activity(tenant_id t);
    void resolve_type_names();
    void forget_job_timers(cell& c);

    // ---- machine_submit.cpp
    void submit(cmd::Submit::Reader s, command_result& result);
    using ids = std::unordered_set<job_id>;
    tenant_entry* tenant_of(cmd::Submit::Reader s, command_result& result);
    type_entry* current_type(cmd::Submit::Reader s, command_result& result);
    bool is_sound(cmd::Submit::Reader s, const ids& before, command_result& result);
    void answer_same_job(cmd::Submit::Reader s, bytes_view stored, command_result& result);
    bool answer_known_key(cmd::Submit::Reader s, tenant_id tenant, command_result& result);
    std::optional<ending> refusal(cmd::Submit::Reader s, tenant_entry& t, type_entry& y);
    std::string wrong_parent(cmd::Submit::Reader s, const ids& before);
    void refuse_full(cmd::Submit::Reader s, tenant_entry& t, type_entry& y, command_result& result);
    void write_rejected(const job_id& id, tenant_entry& t, type_entry& y, std::string_view submitter,
                        const ending& why, command_result& result);
    enum class graph_part : std::uint8_t { none, job, counted_job, callback };
    void write_job(cmd::Submit::Reader s, tenant_entry& t, type_entry& y, const job_id& graph = {},
                   graph_part part = graph_part::none, std::optional<std::uint32_t> children = std::nullopt);
    void store_payload(cell& c, capnp::Data::Reader payload);
    std::optional<std::pair<job_id, job_state>> link_parents(cmd::Submit::Reader s, cell& c);
    void link_new_parents(cmd::Submit::Reader s, cell& c);
    static std::vector<job_id> distinct_parents(cmd::Submit::Reader s);
    void remember_key(cmd::Submit::Reader s, tenant_id tenant);
    void refuse(cmd::Refuse::Reader r, command_result& result);

    // ---- machine_graph.cpp
    void submit_graph(cmd::SubmitGraph::Reader g, command_result& result);
    bool answer_same_graph(cmd::SubmitGraph::Reader g, command_result& result);
    bool answer_taken(const job_id& id, command_result& result);
    bool admit_graph(cmd::SubmitGraph::Reader g, tenant_entry& t, command_result& result);
    bool admit_member(cmd::Submit::Reader s, tenant_entry& t, const ids& before, command_result& result);
    std::optional<std::unordered_map<job_id, std::uint32_t>> inner_children(cmd::SubmitGraph::Reader g);
    void write_graph(cmd::SubmitGraph::Reader g, tenant_entry& t);

    // ---- machine_unique.cpp
    std::optional<job_id> like_job(cmd::Submit::Reader s, const type_entry& y);
    std::optional<job_id> like_job(tenant_id tenant, const type_entry& y, std::uint64_t high, std::uint64_t low);
    void remember_likeness(cell& c);
    void answer_for_likes(cell& c);
    void forget_likeness(const job_id& id, type_id type, rec::JobRow::Reader row);
    void fire_forget_unique(const job_id& id);

    // ---- machine_attempt.cpp
    // The slots that it takes of the worker.
    expected<std::uint32_t> start(const job_id& id, worker_id worker);
    void write_running(const cell& c, key_lanes::key key);
    assignment assignment_of(cell& c);
    std::vector<parent_result> results_of_parents(rec::JobRow::Reader row);
    std::string bytes_of(table apart, const job_id& id, bool is_apart, capnp::Data::Reader inline_bytes);
    void report(cmd::Report::Reader r, command_result& result);
    void write_checkpoint(cell& c, capnp::Data::Reader checkpoint);
    void forget_checkpoint(cell& c);
    void end_attempt(cell& c, cmd::Report::Reader r);
    void succeed(cell& c, cmd::Report::Reader r);
    void fail_attempt(cell& c, cmd::Report::Reader r, const ending& e, bool permanent);
    void lose_attempt(cell& c, const ending& e);
    void record_attempt_end(cell& c, const ending& e);
    void note_attempt_end(cell& c, const ending& e);
    void retry_or_fail(cell& c, cmd::Report::Reader r, bool permanent);
    void put_off(cell& c, milliseconds delay); // queued again then, or at once
    void end_effect_of(cell& c, worker_id worker, std::uint32_t attempt, errc code, bool revoke);
    void cancel(cmd::Cancel::Reader c, command_result& result);
    void adopt(cmd::Adopt::Reader a, command_result& result);

    // ---- machine_logs.cpp
    void write_logs(cell& c, capnp::List<cmd::LogLine>::Reader lines);
    void lines_stored(cmd::LinesStored::Reader l, command_result& result);

    // ---- machine_children.cpp
    void resolve_children();
    bool resolve_some(const job_id& parent, job_state outcome, std::size_t& budget);
    void parent_ended(const job_id& child, const job_id& parent, job_state outcome);
    void unblock(cell& c);

    // ---- machine_batch.cpp
    void open_batch(const job_id& graph, const job_id& callback, std::uint32_t pending);
    void resolve_batches();
    void members_ended(const job_id& graph, std::uint32_t count);

    // ---- machine_timers.cpp
    void tick(std::uint32_t most);
    void fire(keys::timer_kind kind, const job_id& id);
    void fire_ready(const job_id& id);
    void fire_timeout(const job_id& id, job_state wanted, const ending& e);
    void fire_job_timeout(const job_id& id);
    void forget_key(const job_id& id);
    void prune(cmd::Prune::Reader p);

    // ---- machine_edit.cpp
    void edit_job(cmd::EditJob::Reader e, command_result& result);
    bool may_take_payload(cmd::EditJob::Reader e, const cell& c, command_result& result);
    void take_payload(cmd::EditJob::Reader e, cell& c);
    void write_edit_evidence(cmd::EditJob::Reader e, const cell& c);

    // ---- machine_repair.cpp
    void repair(cmd::Repair::Reader r, command_result& result);
    void repaired(std::string_view what);
    void repair_counters(tenant_id id, command_result& result);
    void repair_job(cmd::Repair::Reader r, command_result& result);
    void repair_row(table t, bytes_view key, std::vector<job_id>& of);
    std::optional<job_id> waiting_callback(bytes_view key, bytes_view value);
    bool restore_key(bytes_view key, bytes_view value);
    void ensure(table t, bytes_view key, bytes_view value, std::string_view what);
    void erase_if(bool wrong, table t, const job_id& id);
    void erase_what_is_left_of(const job_id& id);

    // ---- machine_restore.cpp
    void restore_places(cell& c);
    void restore_running(cell& c);
    void restore_bytes(cell& c);
    void restore_family(const job_id& id);
    void recount_children(const job_id& id);
    void restore_parents(const job_id& id, const std::vector<job_id>& parents);
    void restore_batch(cell& c);

    // ---- machine_redrive.cpp
    bool may_redrive(cmd::Submit::Reader s, command_result& result);
    void mark_redriven(cmd::Submit::Reader s);

    // ---- machine_retention.cpp
    void erase_logs(const job_id& id);
    std::optional<instant> key_expires(const job_id& id, rec::JobRow::Reader row);
    bool has_untold_children(const job_id& id, rec::JobRow::Reader row);
    void erase_job(cell& c);
    void forget_child(const job_id& parent, const job_id& child);
    void delete_job(cmd::DeleteJob::Reader d, command_result& result);
    bool is_kept_no_longer(const job_id& id, rec::JobRow::Reader row, const keep_spec& keep);
    void sweep(cmd::Sweep::Reader s);

    // ---- machine_schedules.cpp
    void declare(cmd::DeclareSchedule::Reader d, command_result& result);
    void run_schedule(cmd::RunSchedule::Reader r, command_result& result);
    void time_has_come(rec::ScheduleRow::Builder row, schedule_id id, instant time, const job_id& job,
                       command_result& result);
    bool is_under_way(const job_id& id);
    void cancel_run(const job_id& id, std::string_view schedule);
    void make_run(rec::ScheduleRow::Builder row, schedule_id id, instant time, const job_id& job,
                  std::string_view by, command_result& result);
    void submit_run(rec::ScheduleRow::Reader row, schedule_id id, const job_id& job, const type_entry& y,
                    std::string_view by, command_result& result);
    void resolve_runs();

    // ---- machine_plan.cpp
    bool start_next(tenant_id id);
    worker_id home_of(type_id type, const job_id& job);
    std::optional<std::pair<type_id, job_id>> next_of(const tenant_entry& t);
    std::optional<key_lanes::place> first_of(const tenant_entry& t, const type_entry& y);

    // ---- machine_gates.cpp
    struct queued {
        key_lanes::place at;
        key_lanes::key key = 0;
        std::uint32_t version = 0; // of the type that made the key; 0: there was none to make
    };
    static row_key queue_value(const cell& c);
    static key_lanes::place place_of(const cell& c);
    key_lanes::key key_of(const job_id& id, const type_entry& y, rec::JobRow::Reader row);
    key_lanes::key key_of(const cell& c) { return key_of(c.id, *c.type, c.row.asReader()); }
    key_lanes::key key_of_queued(const queued& q, const type_entry& y);
    key_lanes& lanes_of(tenant_id t, const type_entry& y);
    void count_keys(read_tables& from, std::optional<type_id> only = std::nullopt);
    void key_running_anew(const type_entry& y);
    bool rate_allows(const tenant_entry& t);
    void gates_started(cell& c, key_lanes::key key);
    void note_home(tenant_id t, const type_entry& y, key_lanes::key key, worker_id worker);
    bool waits_for_home(const key_lanes::waiting& job, const tenant_entry& t, const type_entry& y);
    std::optional<key_lanes::place> first_with_room(const tenant_entry& t, const type_entry& y);
    std::optional<queued> next_unread(const row_key& prefix, const key_lanes::place& read_to);

    shard_id shard_;
    tenant_book book_;
    slot_pool pool_;
    fair_share share_;
    start_gates gates_;
    key_homes homes_;
    schedule_book schedules_;
    sweep_place sweep_;
    start_valve* valve_ = nullptr;
    std::size_t looks_left_ = 0; // in this plan, at waiting jobs whose key may be full
    std::uint64_t evidence_next_ = 1;
    std::uint64_t event_next_ = 1;
    std::uint64_t event_first_ = 1;                          // the oldest one kept; event_next_ when there is none
    std::deque<std::pair<job_id, job_state>> ended_parents_; // their children are told before the command is over
    std::vector<job_id> ended_members_;                      // graphs with a callback, one for each job that ended
    std::deque<std::pair<job_id, schedule_id>> ended_runs_;  // runs of schedules, as well

    std::string repairs_; // what the repair under way has done, for its evidence

    // The batch under way.
    tables* t_ = nullptr;
    instant now_ = never;
    batch_output* out_ = nullptr;

    // Scratch, kept so that a row costs no allocation.
    record_reader<rec::JobRow> read_job_;
    record_reader<rec::LogRow> read_log_;
    record_editor<rec::JobRow> edit_job_;
    record_writer<rec::JobRow> new_job_;
    record_writer<rec::JobRow> job_row_;
    record_writer<rec::EvidenceRow> evidence_row_;
    record_writer<rec::EventRow> event_row_;
    record_writer<rec::RunningRow> running_row_;
    record_reader<rec::RunningRow> read_running_;
    record_reader<rec::UniqueRow> read_unique_;
    record_writer<rec::UniqueRow> unique_row_;
    record_writer<rec::GraphRow> graph_row_;
    record_reader<rec::BatchRow> read_batch_;
    record_writer<rec::BatchRow> batch_row_;
    record_reader<rec::ScheduleRow> read_schedule_;
    record_writer<rec::ScheduleRow> schedule_row_;
    record_writer<rec::LogRow> log_row_;
    record_reader<rec::IdempotencyRow> read_key_;
    record_writer<rec::IdempotencyRow> key_row_;
};

} // namespace coppice
