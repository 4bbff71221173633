// Schedules: a run is a job that the machine submits to itself. Which times have come is in the command (the
// primary finds them: batch_rules.cpp); what becomes of each is decided here, by the run before it.
//
// A schedule never fires twice for one time: a command says which time it goes on from, and is refused when the row
// is not there any more.
#include "actors/governance/bounded_json.hpp"
#include "actors/governance/payload_key.hpp"
#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

bool same_timing(rec::ScheduleRow::Reader a, rec::ScheduleRow::Reader b) {
    return view(a.getCron()) == view(b.getCron()) && view(a.getZone()) == view(b.getZone()) &&
           a.getEveryMs() == b.getEveryMs();
}

// What a declaration leaves as it is.
void keep_progress(rec::ScheduleRow::Reader from, rec::ScheduleRow::Builder to) {
    to.setLastUs(from.getLastUs());
    to.setLastJob(from.getLastJob());
    to.setRuns(from.getRuns());
    to.setOverlapped(from.getOverlapped());
    to.setMissed(from.getMissed());
    to.setRefused(from.getRefused());
    to.setErrorCode(from.getErrorCode());
    to.setErrorMessage(from.getErrorMessage());
    to.setBufferedUs(from.getBufferedUs());
    to.setBufferedJob(from.getBufferedJob());
}

} // namespace

void shard_machine::declare(cmd::DeclareSchedule::Reader d, command_result& result) {
    const schedule_id id{d.getSchedule()};
    const auto row = d.getRow();
    if (id.value == 0 || row.getName().size() == 0 || row.getName().size() > limits::name_size_max)
        return set_answer(result, errc::invalid_argument, "a schedule without a number or a name");
    if (book_.tenant(tenant_id{row.getTenant()}) == nullptr) // tenants are told before their schedules
        return set_answer(result, errc::unknown_tenant, "a schedule of a tenant that is not known here");
    const row_key at = keys::schedule(shard_, id);
    const auto stored = t_->get(table::schedules, at);
    schedule_row_.set_from(row);
    auto made = schedule_row_.get();
    made.setNextUs(0);
    if (stored) {
        const auto known = read_schedule_.read(*stored);
        if (known.getVersion() >= row.getVersion()) return;
        keep_progress(known, made);
        // What passed while it was paused is not made up for.
        const bool goes_on = same_timing(known, row) && !known.getPaused() && !row.getPaused();
        if (goes_on) made.setNextUs(known.getNextUs());
        if (row.getPaused()) made.setBufferedUs(0);
    }
    schedule_row_.put(*t_, table::schedules, at);
    schedules_.put(id, made.asReader());
}

void shard_machine::run_schedule(cmd::RunSchedule::Reader r, command_result& result) {
    const schedule_id id{r.getSchedule()};
    const row_key at = keys::schedule(shard_, id);
    const auto stored = t_->get(table::schedules, at);
    if (!stored) return set_answer(result, errc::not_found, "no such schedule here");
    schedule_row_.set_from(read_schedule_.read(*stored));
    auto row = schedule_row_.get();
    if (!r.getByHand() && row.getNextUs() != r.getExpectedUs())
        return set_answer(result, errc::conflict, "the schedule has gone on");
    for (const auto run : r.getRuns()) {
        const instant time = from_us(run.getTimeUs());
        if (r.getByHand())
            make_run(row, id, time, read_id(run.getJob()), view(r.getBy()), result);
        else
            time_has_come(row, id, time, read_id(run.getJob()), result);
    }
    if (!r.getByHand()) {
        row.setNextUs(r.getNextUs());
        row.setMissed(row.getMissed() + r.getMissed());
    }
    schedule_row_.put(*t_, table::schedules, at);
    schedules_.put(id, row.asReader());
}

// A time of the schedule has come: its run is made, or what `overlap` says while the one before has not ended.
void shard_machine::time_has_come(rec::ScheduleRow::Builder row, schedule_id id, instant time, const job_id& job,
                                  command_result& result) {
    const job_id last = read_id(row.getLastJob().asReader());
    const auto policy = static_cast<overlap_policy>(row.getOverlap());
    if (policy == overlap_policy::allow || !is_under_way(last)) return make_run(row, id, time, job, {}, result);
    if (policy == overlap_policy::cancel_other) {
        cancel_run(last, view(row.getName().asReader()));
        return make_run(row, id, time, job, {}, result);
    }
    if (policy == overlap_policy::buffer_one && row.getBufferedUs() == 0) {
        row.setBufferedUs(to_us(time));
        write_id(job, row.getBufferedJob());
        return;
    }
    row.setOverlapped(row.getOverlapped() + 1);
}

bool shard_machine::is_under_way(const job_id& id) {
    if (id.is_nil()) return false;
    const auto stored = t_->get(table::jobs, keys::job(id));
    return stored && !is_terminal(read_job_.read(*stored).getState());
}

void shard_machine::cancel_run(const job_id& id, std::string_view schedule) {
    capnp::MallocMessageBuilder message;
    auto command = message.initRoot<cmd::Cancel>();
    write_id(id, command.initJob());
    command.setBy("schedule " + std::string{schedule});
    command.setReason("its next time has come");
    command_result unused;
    cancel(command.asReader(), unused);
}

// Submits the run as anybody would, and notes what came of it.
void shard_machine::make_run(rec::ScheduleRow::Builder row, schedule_id id, instant time, const job_id& job,
                             std::string_view by, command_result& result) {
    const type_entry* y = book_.type_named(std::string{view(row.getType().asReader())});
    command_result made;
    if (y == nullptr)
        set_answer(made, errc::unknown_type,
                   "job type \"" + std::string{view(row.getType().asReader())} + "\" is not declared");
    else
        submit_run(row.asReader(), id, job, *y, by, made);
    if (made.code != errc::ok) {
        row.setRefused(row.getRefused() + 1);
        row.setErrorCode(static_cast<std::uint16_t>(made.code));
        row.setErrorMessage(made.detail.c_str());
    } else if (made.existing) {
        row.setOverlapped(row.getOverlapped() + 1);
    } else {
        row.setRuns(row.getRuns() + 1);
        row.setLastUs(to_us(time));
        write_id(made.job, row.getLastJob());
    }
    // A time that came to nothing is no failure of the command that says that it has come.
    if (made.code == errc::ok || !by.empty()) result = std::move(made);
}

void shard_machine::submit_run(rec::ScheduleRow::Reader row, schedule_id id, const job_id& job, const type_entry& y,
                               std::string_view by, command_result& result) {
    capnp::MallocMessageBuilder message;
    auto s = message.initRoot<cmd::Submit>();
    write_id(job, s.initJob());
    s.setType(y.id.value);
    s.setTypeVersion(static_cast<std::uint32_t>(y.version));
    s.setPriority(row.getPriority());
    s.setPayload(row.getPayload());
    s.setSubmitter(by.empty() ? "schedule " + std::string{view(row.getName())} : std::string{by});
    s.setSchedule(id.value);
    const auto payload_text = text_of(row.getPayload());
    if (y.keyed()) s.setLimitKey(stored_payload_key(payload_text, y.spec.concurrency.by));
    if (y.spec.unique) {
        const auto payload = parse_json(payload_text.empty() ? "null" : payload_text);
        const hash128 likeness = payload_likeness(payload ? *payload : nlohmann::json{}, y.spec.unique->by);
        s.setUniqueHigh(likeness.high);
        s.setUniqueLow(likeness.low);
    }
    submit(s.asReader(), result);
}

// Runs that waited for the one before to end are made in the command that ended it.
void shard_machine::resolve_runs() {
    while (!ended_runs_.empty()) {
        const auto [job, id] = ended_runs_.front();
        ended_runs_.pop_front();
        const row_key at = keys::schedule(shard_, id);
        const auto stored = t_->get(table::schedules, at);
        if (!stored) continue;
        const auto known = read_schedule_.read(*stored);
        if (known.getBufferedUs() == 0 || read_id(known.getLastJob()) != job) continue;
        schedule_row_.set_from(known);
        auto row = schedule_row_.get();
        const instant time = from_us(row.getBufferedUs());
        const job_id next = read_id(row.getBufferedJob().asReader());
        row.setBufferedUs(0);
        command_result unused;
        make_run(row, id, time, next, {}, unused);
        schedule_row_.put(*t_, table::schedules, at);
        schedules_.put(id, row.asReader());
    }
}

} // namespace coppice
