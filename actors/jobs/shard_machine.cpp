#include "actors/jobs/shard_machine.hpp"

#include <algorithm>

#include "actors/jobs/bounded_text.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

bool is_name(capnp::Text::Reader text) { return text.size() > 0 && text.size() <= limits::name_size_max; }

std::uint64_t first_sequence(read_tables& from, table t, shard_id shard, std::uint64_t otherwise) {
    const auto first = from.seek(t, keys::shard(shard));
    if (!first || !has_prefix(first->key, keys::shard(shard))) return otherwise;
    key_reader k{first->key};
    k.u16();
    return k.u64();
}

} // namespace

void shard_machine::load(read_tables& from) {
    book_.load(from);
    evidence_next_ = keys::last_sequence(from, table::evidence, shard_) + 1;
    event_next_ = keys::last_sequence(from, table::events, shard_) + 1;
    event_first_ = first_sequence(from, table::events, shard_, event_next_);
    ended_parents_.clear();
    ended_members_.clear();
    ended_runs_.clear();
    schedules_.load(from, shard_);
    share_ = fair_share{};
    sweep_ = sweep_place{};
    for (const auto& [id, t] : book_.tenants()) {
        share_.set_weight(id, t.spec.weight);
        sweep_.keep(id, t.spec.keep.shortest());
        refresh_activity(id);
    }
    resolve_type_names();
    gates_.clear();
    count_keys(from);
    pool_.clear_used();
    record_reader<rec::RunningRow> running;
    const row_key prefix = keys::shard(shard_);
    for (auto r = from.seek(table::running, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::running)) {
        key_reader k{r->key};
        k.u16();
        const auto row = running.read(r->value);
        share_.started(tenant_id{k.u32()}, slots_of(row));
        pool_.take_from(worker_id{row.getWorker()}, slots_of(row));
    }
}

void shard_machine::begin(tables& t, instant now, batch_output& out) {
    t_ = &t;
    // Followed beyond the bound: one wrong reading, far ahead, must not stop all timers until the clock gets there.
    // Nor may rates hold what waits until then: they are metered anew.
    const bool follows_back = now_ - now > limits::clock_hold_max;
    if (now >= now_ || follows_back) now_ = now;
    if (follows_back) {
        gates_.clear();
        count_keys(t);
    }
    gates_.forget_opens(); // the batch's plan finds anew what a rate holds
    out_ = &out;
    share_.charge(now_); // first, so that attempts that end in this batch are charged to their end
}

void shard_machine::finish() {
    book_.flush(*t_);
    out_->newest_event = event_next_ - 1;
    t_ = nullptr;
    out_ = nullptr;
}

void shard_machine::apply(cmd::Entry::Reader entry) {
    for (const auto command : entry.getCommands()) {
        command_result& result = out_->results.emplace_back();
        apply_one(command, result);
        resolve_children();
        resolve_batches();
        resolve_runs();
    }
}

void shard_machine::apply_one(cmd::Command::Reader command, command_result& result) {
    switch (command.which()) {
    case cmd::Command::SUBMIT:
        return submit(command.getSubmit(), result);
    case cmd::Command::SUBMIT_GRAPH:
        return submit_graph(command.getSubmitGraph(), result);
    case cmd::Command::REFUSE:
        return refuse(command.getRefuse(), result);
    case cmd::Command::CANCEL:
        return cancel(command.getCancel(), result);
    case cmd::Command::REPORT:
        return report(command.getReport(), result);
    case cmd::Command::ADOPT:
        return adopt(command.getAdopt(), result);
    case cmd::Command::TICK:
        return tick(command.getTick().getMost());
    case cmd::Command::PRUNE:
        return prune(command.getPrune());
    case cmd::Command::START: {
        const auto s = command.getStart();
        const worker_id worker{s.getWorker()};
        const auto slots = start(read_id(s.getJob()), worker);
        if (slots) pool_.take_from(worker, *slots);
        result.code = slots ? errc::ok : slots.error().code;
        return;
    }
    case cmd::Command::DECLARE_TENANT:
        return declare(command.getDeclareTenant(), result);
    case cmd::Command::DECLARE_TYPE:
        return declare(command.getDeclareType(), result);
    case cmd::Command::DECLARE_SCHEDULE:
        return declare(command.getDeclareSchedule(), result);
    case cmd::Command::RUN_SCHEDULE:
        return run_schedule(command.getRunSchedule(), result);
    case cmd::Command::DELETE_JOB:
        return delete_job(command.getDeleteJob(), result);
    case cmd::Command::EDIT_JOB:
        return edit_job(command.getEditJob(), result);
    case cmd::Command::REPAIR:
        return repair(command.getRepair(), result);
    case cmd::Command::LINES_STORED:
        return lines_stored(command.getLinesStored(), result);
    case cmd::Command::SWEEP:
        return sweep(command.getSweep());
    case cmd::Command::DECLARE: // the control store's
    case cmd::Command::NONE:
        break;
    }
    result.code = errc::invalid_argument;
    result.detail = "a command of no known kind";
}

void shard_machine::declare(cmd::DeclareTenant::Reader d, command_result& result) {
    const tenant_id id{d.getTenant()};
    if (id.value == 0 || id.value > limits::tenants_max || !is_name(d.getRow().getName())) {
        result.code = errc::invalid_argument;
        result.detail = "a tenant without a number or a name";
        return;
    }
    if (book_.declare_tenant(*t_, id, d.getRow())) {
        share_.set_weight(id, book_.tenant(id)->spec.weight);
        sweep_.keep(id, book_.tenant(id)->spec.keep.shortest());
    }
    refresh_activity(id);
}

void shard_machine::declare(cmd::DeclareType::Reader d, command_result& result) {
    const type_id id{d.getType()};
    if (id.value == 0 || !is_name(d.getRow().getName())) {
        result.code = errc::invalid_argument;
        result.detail = "a job type without a number or a name";
        return;
    }
    const type_entry* former = book_.type(id);
    const bool was_known = former != nullptr;
    const std::uint64_t key_since = was_known ? former->key_since : 0;
    if (!book_.declare_type(*t_, id, d.getRow())) return;
    resolve_type_names();
    const type_entry& y = *book_.type(id);
    if (was_known && y.key_since != key_since) key_running_anew(y);
    gates_.set_bounds(id, y.spec.concurrency, now_);
}

std::optional<instant> shard_machine::next_due(read_tables& from, bool room, instant schedules_not_before) const {
    const row_key prefix = keys::shard(shard_);
    const auto first = from.seek(table::timers, prefix);
    std::optional<instant> timer;
    if (first && has_prefix(first->key, prefix)) {
        key_reader k{first->key};
        k.u16();
        timer = from_us(static_cast<std::int64_t>(k.u64()));
    }
    auto schedule = schedules_.next_due();
    if (schedule) schedule = std::max(*schedule, schedules_not_before);
    std::optional<instant> soonest;
    for (const auto& each :
         {timer, sweep_.next_due(), room ? gates_.opens() : std::nullopt, room ? schedule : std::nullopt})
        if (each && (!soonest || *each < *soonest)) soonest = each;
    return soonest;
}

void shard_machine::attach_worker(worker_id id, std::set<std::string> types, std::uint32_t slots, tenant_id tenant,
                                  std::set<std::string> labels, std::uint32_t total) {
    pool_.attach(id, std::move(types), std::min(slots, limits::worker_slots_max), tenant, std::move(labels),
                 std::min(total, limits::worker_slots_max));
    resolve_type_names();
}

// The node's own executor runs all types of its kinds, whatever they are named; others what they named.
void shard_machine::resolve_type_names() {
    std::set<std::string> local;
    for (const auto& [id, y] : book_.types())
        if (runs_on_nodes(y.spec.executor)) local.insert(y.spec.name);
    pool_.offer_locally(local);
    pool_.resolve([this](const std::string& name, bool locally) -> std::optional<slot_pool::demand> {
        const type_entry* y = book_.type_named(name);
        if (y == nullptr || runs_on_nodes(y->spec.executor) != locally) return std::nullopt;
        return slot_pool::demand{y->id, y->spec.workers.require, y->spec.workers.prefer};
    });
}

bool shard_machine::open(const job_id& id, cell& into) {
    if (id.shard() != shard_) return false;
    const auto stored = t_->get(table::jobs, keys::job(id));
    if (!stored) return false;
    into.id = id;
    into.row = edit_job_.edit(*stored);
    into.tenant = book_.tenant(id.tenant());
    into.type = book_.type(type_id{into.row.getType()});
    return into.tenant != nullptr && into.type != nullptr;
}

void shard_machine::save(cell& c) {
    if (!c.grown) return edit_job_.put(*t_, table::jobs, keys::job(c.id));
    job_row_.set_from(c.row.asReader());
    job_row_.put(*t_, table::jobs, keys::job(c.id));
}

// The one place where a job changes its state: leaves the indexes of the old one, enters those of the new one,
// counts, and tells. The caller has checked may_move and saves the row.
void shard_machine::enter(cell& c, job_state to) {
    const job_state from = c.row.getState();
    leave(c, from);
    c.row.setState(to);
    c.row.setRevision(c.row.getRevision() + 1);
    book_.moved(*c.tenant, *c.type, from, to);
    if (to == job_state::QUEUED) enter_queue(c);
    if (to == job_state::SCHEDULED)
        t_->put(table::timers, keys::timer(from_us(c.row.getDueUs()), keys::timer_kind::ready, c.id), {});
    if (is_terminal(to)) enter_terminal(c, to);
    if (from == job_state::QUEUED || to == job_state::QUEUED || from == job_state::RUNNING)
        refresh_activity(c.tenant->id);
    out_->changes.push_back({c.id, c.type->id, from, to, c.row.getRevision()});
}

void shard_machine::leave(cell& c, job_state from) {
    switch (from) {
    case job_state::QUEUED:
        leave_place(c);
        if (c.row.getQueuedDueUs() != 0) {
            t_->erase(table::timers,
                      keys::timer(from_us(c.row.getQueuedDueUs()), keys::timer_kind::queued_timeout, c.id));
            c.row.setQueuedDueUs(0);
        }
        return;
    case job_state::SCHEDULED:
        t_->erase(table::timers, keys::timer(from_us(c.row.getDueUs()), keys::timer_kind::ready, c.id));
        c.row.setDueUs(0);
        return;
    case job_state::RUNNING:
        if (c.type->keyed()) lanes_of(c.tenant->id, *c.type).ended(key_of(c), now_);
        t_->erase(table::running, keys::job(c.id));
        share_.ended(c.tenant->id, slots_of(c.row));
        pool_.release(worker_id{c.row.getWorker()}, slots_of(c.row));
        return;
    default:
        return;
    }
}

void shard_machine::enter_queue(cell& c) {
    // An attempt that was lost keeps the place that the job had.
    if (c.row.getReadyUs() == 0) c.row.setReadyUs(to_us(now_));
    enter_place(c);
    if (const milliseconds bound = c.type->spec.timeouts.queued; bound.count() > 0) {
        const instant due = now_ + bound;
        c.row.setQueuedDueUs(to_us(due));
        t_->put(table::timers, keys::timer(due, keys::timer_kind::queued_timeout, c.id), {});
    }
}

void shard_machine::enter_place(cell& c) {
    const key_lanes::place place = place_of(c);
    t_->put(table::queue, keys::queue(c.id, c.type->id, place.rank), queue_value(c));
    if (!c.type->keyed()) return;
    if (key_lanes* lanes = gates_.find(c.tenant->id, c.type->id)) lanes->entered(place, key_of(c), now_);
}

void shard_machine::leave_place(cell& c) {
    if (c.type->keyed())
        if (key_lanes* lanes = gates_.find(c.tenant->id, c.type->id)) lanes->left(place_of(c), key_of(c), now_);
    t_->erase(table::queue, keys::queue(c.id, c.type->id, place_of(c).rank));
}

void shard_machine::enter_terminal(cell& c, job_state to) {
    c.row.setFinishedUs(to_us(now_));
    c.row.setDueUs(0); // a blocked job's delay, which had no timer yet
    forget_job_timers(c);
    forget_checkpoint(c);
    if (!c.type->answers_for_likes_in(to)) forget_likeness(c.id, c.type->id, c.row.asReader());
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::JOB_ENDED);
    evidence.getJob().setHigh(c.id.high());
    evidence.getJob().setLow(c.id.low());
    evidence.setType(c.type->id.value);
    evidence.setTypeVersion(c.row.getTypeVersion());
    evidence.setState(to);
    evidence.setAttempt(c.row.getAttempt());
    if (to != job_state::SUCCEEDED) {
        evidence.setCode(c.row.getErrorCode());
        evidence.setDetail(c.row.getErrorMessage().asReader());
    }
    evidence.setSubmitter(c.row.getSubmitter().asReader());
    c.row.setEvidence(evidence_next_);
    append_evidence(evidence);
    append_event(c, to);
    if (c.row.getChildren() > 0) ended_parents_.emplace_back(c.id, to);
    const job_id graph = read_id(c.row.asReader().getGraph());
    if (c.row.getMember()) ended_members_.push_back(graph);
    if (c.row.getCallback())
        t_->erase(table::batches, keys::job(graph)); // cancelled while it waited: nothing is due
    if (c.row.getSchedule() != 0) ended_runs_.emplace_back(c.id, schedule_id{c.row.getSchedule()});
}

void shard_machine::forget_job_timers(cell& c) {
    if (c.row.getJobDueUs() == 0) return;
    t_->erase(table::timers, keys::timer(from_us(c.row.getJobDueUs()), keys::timer_kind::job_timeout, c.id));
    c.row.setJobDueUs(0);
}

void shard_machine::append_evidence(rec::EvidenceRow::Builder row) {
    row.setAtUs(to_us(now_));
    evidence_row_.put(*t_, table::evidence, keys::evidence(shard_, evidence_next_++));
}

void shard_machine::append_event(cell& c, job_state to) {
    auto event = event_row_.init();
    event.setAtUs(to_us(now_));
    event.getJob().setHigh(c.id.high());
    event.getJob().setLow(c.id.low());
    event.setType(c.type->id.value);
    event.setState(to);
    event.setAttempt(c.row.getAttempt());
    event.setCode(to == job_state::SUCCEEDED ? 0 : c.row.getErrorCode());
    event_row_.put(*t_, table::events, keys::event(shard_, event_next_++));
}

void shard_machine::set_error(cell& c, const ending& e) {
    c.grown = true;
    c.row.setErrorCode(static_cast<std::uint16_t>(e.code));
    c.row.setErrorAttempt(c.row.getAttempt());
    c.row.setErrorMessage(bounded_text(e.detail, limits::error_size_max).c_str());
}

// The newest attempt ended, and that is the job's last error.
void shard_machine::record_attempt_end(cell& c, const ending& e) {
    set_error(c, e);
    note_attempt_end(c, e);
}

// Adds how the newest attempt ended to the job's history, dropping the oldest beyond the bound.
void shard_machine::note_attempt_end(cell& c, const ending& e) {
    c.grown = true;
    const auto old = c.row.getHistory().asReader();
    const unsigned skip = old.size() < limits::history_max ? 0 : old.size() - limits::history_max + 1;
    auto kept = c.row.disownHistory();
    auto fresh = c.row.initHistory(old.size() - skip + 1);
    for (unsigned i = skip; i < old.size(); ++i) fresh.setWithCaveats(i - skip, kept.getReader()[i]);
    auto last = fresh[fresh.size() - 1];
    last.setAttempt(c.row.getAttempt());
    last.setCode(static_cast<std::uint16_t>(e.code));
    last.setStartedUs(c.row.getStartedUs());
    last.setEndedUs(to_us(now_));
    last.setMessage(bounded_text(e.detail, limits::error_size_max / limits::history_max).c_str());
}

void shard_machine::refresh_activity(tenant_id id) {
    const tenant_entry* t = book_.tenant(id);
    if (t == nullptr) return;
    const bool may_run_more = t->spec.running_max == 0 || t->running < t->spec.running_max;
    share_.set_active(id, t->queued > 0 && may_run_more && !t->spec.paused);
}

} // namespace coppice
