// Attempts: start, report, cancel, adoption by another session. The attempt number is the fencing token: whatever
// names another number than the one under way is stale and changes nothing.
#include <algorithm>

#include "actors/jobs/bounded_text.hpp"
#include "actors/jobs/retry_policy.hpp"
#include "actors/jobs/shard_machine.hpp"
#include "actors/jobs/stored_result.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

bytes_view view(capnp::Data::Reader data) { return std::as_bytes(std::span{data.begin(), data.size()}); }

// What was reported, unless the job took it otherwise: a result that is too large, a cancel that nobody asked for.
outcome_kind counted_as(cmd::Report::Outcome reported, job_state became) {
    using outcome = cmd::Report::Outcome;
    if (reported == outcome::LOST) return outcome_kind::lost;
    if (reported == outcome::SUCCEEDED && became == job_state::SUCCEEDED) return outcome_kind::succeeded;
    if (reported == outcome::CANCELLED && became == job_state::CANCELLED) return outcome_kind::cancelled;
    return outcome_kind::failed;
}

} // namespace

expected<std::uint32_t> shard_machine::start(const job_id& id, worker_id worker) {
    cell c;
    if (!open(id, c)) return fail(errc::not_found, "no such job");
    if (!may_move(c.row.getState(), job_state::RUNNING)) return fail(errc::illegal_transition, "it does not wait");
    const instant ready = from_us(c.row.getReadyUs());
    const key_lanes::key key = key_of(c);
    c.row.setAttempt(c.row.getAttempt() + 1);
    c.row.setWorker(worker.value);
    c.row.setProgress(0);
    c.row.setLogBytes(0);
    c.row.setLinesStored(0);
    const std::uint32_t slots = c.type->spec.slots;
    c.row.setSlots(static_cast<std::uint16_t>(slots > 1 ? slots : 0));
    enter(c, job_state::RUNNING);
    c.row.setStartedUs(to_us(now_));
    save(c);
    write_running(c, key);
    gates_started(c, key);
    note_home(c.tenant->id, *c.type, key, worker);
    share_.started(c.tenant->id, slots);
    out_->starts.push_back({worker, c.type->spec.executor, ready, now_, assignment_of(c)});
    return slots;
}

void shard_machine::write_running(const cell& c, key_lanes::key key) {
    const auto row = c.row.asReader();
    auto running = running_row_.init();
    running.setAttempt(row.getAttempt());
    running.setType(c.type->id.value);
    running.setWorker(row.getWorker());
    running.setStartedUs(row.getStartedUs());
    running.setLimitKey(key);
    running.setSlots(row.getSlots());
    running_row_.put(*t_, table::running, keys::job(c.id));
}

assignment shard_machine::assignment_of(cell& c) {
    const job_type_spec& spec = c.type->spec;
    return {.ref = {c.id, c.row.getAttempt()},
            .tenant_number = c.tenant->id,
            .tenant = c.tenant->spec.name,
            .type_number = c.type->id,
            .type = spec.name,
            .payload = bytes_of(table::payloads, c.id, c.row.getPayloadApart(), c.row.getPayload().asReader()),
            .parents = results_of_parents(c.row.asReader()),
            .checkpoint = bytes_of(table::checkpoints, c.id, c.row.getCheckpointSize() > 0, {}),
            .traceparent = std::string{view(c.row.getTraceparent().asReader())},
            .priority = c.row.getPriority(),
            .attempt_timeout = spec.timeouts.attempt,
            .heartbeat_timeout = spec.timeouts.heartbeat,
            .cancel_grace = spec.timeouts.cancel_grace,
            .result_bytes_max = spec.result_bytes_max,
            .slots = slots_of(c.row)};
}

std::string shard_machine::bytes_of(table apart, const job_id& id, bool is_apart,
                                    capnp::Data::Reader inline_bytes) {
    if (!is_apart) return text_of(inline_bytes);
    const auto stored = t_->get(apart, keys::job(id));
    return stored ? std::string{as_text(*stored)} : std::string{};
}

std::vector<parent_result> shard_machine::results_of_parents(rec::JobRow::Reader row) {
    std::vector<parent_result> given;
    std::size_t total = 0;
    for (const auto each : row.getAfter()) {
        parent_result& p = given.emplace_back();
        p.job = read_id(each);
        const auto stored = t_->get(table::jobs, keys::job(p.job));
        if (!stored) continue;
        const auto parent = read_job_.read(*stored);
        if (const type_entry* y = book_.type(type_id{parent.getType()})) p.type = y->spec.name;
        p.state = parent.getState();
        total += parent.getResultSize();
        p.truncated = total > limits::parent_results_size_max;
        p.attempt = parent.getAttempt();
        if (p.truncated) continue;
        p.stored = read_stored_result(parent);
        if (!p.stored) p.result = bytes_of(table::results, p.job, parent.getResultApart(), parent.getResult());
    }
    return given;
}

void shard_machine::report(cmd::Report::Reader r, command_result& result) {
    cell c;
    result.job = read_id(r.getJob());
    const bool known = open(result.job, c);
    const bool foreign = known && r.getWorker() != 0 && r.getWorker() != c.row.getWorker();
    if (!known || foreign || c.row.getState() != job_state::RUNNING || c.row.getAttempt() != r.getAttempt()) {
        ++out_->stale_reports;
        return set_answer(result, errc::stale_attempt,
                          known ? "attempt " + std::to_string(r.getAttempt()) + " of a job that is " +
                                      std::string{to_string(c.row.getState())} + " at attempt " +
                                      std::to_string(c.row.getAttempt())
                                : "no such job");
    }
    if (r.getOutcome() > cmd::Report::Outcome::TIMED_OUT)
        return set_answer(result, errc::invalid_argument, "an outcome of no known kind");
    if (r.getCheckpoint().size() > limits::checkpoint_size_max)
        return set_answer(result, errc::payload_too_large,
                          "a checkpoint has at most " + std::to_string(limits::checkpoint_size_max) + " bytes");
    if (r.getResultDigest().size() != 0 && r.getResultDigest().size() != stored_result::digest_size)
        return set_answer(result, errc::invalid_argument, "a digest has 32 bytes");
    write_logs(c, r.getLogs());
    write_checkpoint(c, r.getCheckpoint());
    if (r.getProgress() >= 0 && r.getOutcome() == cmd::Report::Outcome::NONE) {
        c.row.setProgress(std::min(r.getProgress(), 1.0F));
        const auto text = view(r.getProgressText());
        c.grown = true;
        c.row.setProgressText(bounded_text(text, limits::progress_text_size_max).c_str());
    }
    if (r.getOutcome() != cmd::Report::Outcome::NONE) {
        end_attempt(c, r);
    } else if (r.getLogs().size() > 0 || r.getProgress() >= 0 || r.getCheckpoint().size() > 0) {
        c.row.setRevision(c.row.getRevision() + 1);
        out_->changes.push_back({c.id, c.type->id, job_state::RUNNING, job_state::RUNNING, c.row.getRevision()});
    }
    save(c);
}

// What the next attempt goes on from; it outlives failures and lost workers, and ends with the job.
void shard_machine::write_checkpoint(cell& c, capnp::Data::Reader checkpoint) {
    if (checkpoint.size() == 0) return;
    c.row.setCheckpointSize(static_cast<std::uint32_t>(checkpoint.size()));
    t_->put(table::checkpoints, keys::job(c.id), view(checkpoint));
}

void shard_machine::forget_checkpoint(cell& c) {
    if (c.row.getCheckpointSize() == 0) return;
    c.row.setCheckpointSize(0);
    t_->erase(table::checkpoints, keys::job(c.id));
}

void shard_machine::end_attempt(cell& c, cmd::Report::Reader r) {
    using outcome = cmd::Report::Outcome;
    ending e{errc_from_number(r.getCode()), view(r.getMessage())};
    if (e.code == errc::ok && r.getOutcome() == outcome::FAILED) e.code = errc::job_failed;
    if (e.code == errc::ok && r.getOutcome() == outcome::TIMED_OUT) e.code = errc::timeout_attempt;
    if (e.code == errc::ok && r.getOutcome() == outcome::LOST) e.code = errc::worker_lost;
    const worker_id worker{c.row.getWorker()};
    const bool revoke = r.getOutcome() != outcome::SUCCEEDED && r.getOutcome() != outcome::FAILED;
    switch (r.getOutcome()) {
    case outcome::SUCCEEDED:
        succeed(c, r);
        if (c.row.getState() != job_state::SUCCEEDED) e.code = errc::result_too_large;
        break;
    case outcome::TIMED_OUT:
        // A worker that hangs would lose whatever it is given next. In this commit, for the slot is free in it.
        if (e.code == errc::timeout_heartbeat && !is_local(worker)) pool_.silence(worker);
        [[fallthrough]];
    case outcome::FAILED:
        fail_attempt(c, r, e, r.getPermanent());
        break;
    case outcome::CANCELLED:
        // Nobody asked for it: to the job it is a failure like any other.
        if (!c.row.getCancelRequested()) {
            e = {errc::cancelled, "the attempt said that it was cancelled; nobody had asked for it"};
            fail_attempt(c, r, e, r.getPermanent());
            break;
        }
        e.code = errc::cancelled;
        note_attempt_end(c, e);
        enter(c, job_state::CANCELLED);
        break;
    case outcome::LOST:
        lose_attempt(c, e);
        break;
    case outcome::NONE:
        return;
    }
    end_effect_of(c, worker, r.getAttempt(), e.code, revoke);
    out_->ends.back().outcome = counted_as(r.getOutcome(), c.row.getState());
}

void shard_machine::succeed(cell& c, cmd::Report::Reader r) {
    const auto result = r.getResult();
    const bool is_stored = r.getResultDigest().size() == stored_result::digest_size;
    // One that no table takes came without its bytes.
    const std::uint64_t size = std::max<std::uint64_t>(result.size(), r.getResultSize());
    if (size > c.type->spec.result_bytes_max || (!is_stored && size > limits::result_size_max)) {
        if (is_stored) out_->dropped_results.push_back({c.id, r.getAttempt()});
        const std::string detail =
            "the result has " + std::to_string(size) + " bytes; " +
            (size > c.type->spec.result_bytes_max
                 ? "job type \"" + c.type->spec.name + "\" allows " + std::to_string(c.type->spec.result_bytes_max)
                 : "without a result store at most " + std::to_string(limits::result_size_max));
        return fail_attempt(c, r, {errc::result_too_large, detail}, true);
    }
    c.row.setResultSize(is_stored ? r.getResultSize() : result.size());
    if (is_stored) {
        c.grown = true;
        c.row.setResultDigest(r.getResultDigest());
    } else if (result.size() > limits::result_inline_max) {
        c.row.setResultApart(true);
        t_->put(table::results, keys::job(c.id), view(result));
    } else if (result.size() > 0) {
        c.row.setResult(result);
    }
    c.row.setProgress(1);
    enter(c, job_state::SUCCEEDED);
}

// A job that was told to stop ends as cancelled however its attempt failed, and keeps who asked for it as its
// error.
void shard_machine::fail_attempt(cell& c, cmd::Report::Reader r, const ending& e, bool permanent) {
    c.row.setTries(c.row.getTries() + 1);
    if (c.row.getCancelRequested()) {
        note_attempt_end(c, e);
        return enter(c, job_state::CANCELLED);
    }
    record_attempt_end(c, e);
    retry_or_fail(c, r, permanent);
}

void shard_machine::retry_or_fail(cell& c, cmd::Report::Reader r, bool permanent) {
    const job_type_spec& spec = c.type->spec;
    if (permanent || c.row.getTries() >= spec.attempts_max) return enter(c, job_state::FAILED);
    milliseconds delay = full_jitter(backoff_ceiling(spec.retry.base, spec.retry.max, c.row.getTries()),
                                     attempt_random(c.id, c.row.getAttempt()));
    if (r.getRetryAfterMs() >= 0)
        delay = milliseconds{std::min<std::int64_t>(
            r.getRetryAfterMs(), std::chrono::duration_cast<milliseconds>(limits::delay_max).count())};
    c.row.setReadyUs(0);
    put_off(c, delay);
}

void shard_machine::put_off(cell& c, milliseconds delay) {
    if (delay.count() == 0) return enter(c, job_state::QUEUED);
    c.row.setDueUs(to_us(now_ + delay));
    enter(c, job_state::SCHEDULED);
}

void shard_machine::lose_attempt(cell& c, const ending& e) {
    c.row.setLost(c.row.getLost() + 1);
    if (c.row.getCancelRequested()) {
        note_attempt_end(c, e);
        return enter(c, job_state::CANCELLED);
    }
    record_attempt_end(c, e);
    if (c.row.getLost() > limits::attempts_lost_max) return enter(c, job_state::FAILED);
    put_off(c, lost_pause(c.row.getLost())); // at once: with the place that it had
}

void shard_machine::end_effect_of(cell& c, worker_id worker, std::uint32_t attempt, errc code, bool revoke) {
    out_->ends.push_back({{c.id, attempt}, worker, c.tenant->id, c.type->id, c.row.getState(), code, revoke});
    out_->ends.back().started_at = from_us(c.row.getStartedUs());
    out_->ends.back().ended_at = now_;
}

void shard_machine::cancel(cmd::Cancel::Reader cancel, command_result& result) {
    cell c;
    result.job = read_id(cancel.getJob());
    if (!open(result.job, c)) return set_answer(result, errc::not_found, "no job " + to_string(result.job));
    const job_state state = c.row.getState();
    if (is_terminal(state))
        return set_answer(result, errc::illegal_transition,
                          "the job is " + std::string{to_string(state)} + " already");
    std::string reason = "cancelled by " + std::string{view(cancel.getBy())};
    if (cancel.getReason().size() > 0) reason += ": " + std::string{view(cancel.getReason())};
    if (state != job_state::RUNNING) {
        set_error(c, {errc::cancelled, reason});
        enter(c, job_state::CANCELLED);
    } else if (!c.row.getCancelRequested()) {
        c.row.setCancelRequested(true);
        set_error(c, {errc::cancelled, reason});
        c.row.setRevision(c.row.getRevision() + 1);
        out_->changes.push_back({c.id, c.type->id, state, state, c.row.getRevision()});
        out_->cancels.push_back({{c.id, c.row.getAttempt()},
                                 worker_id{c.row.getWorker()},
                                 c.tenant->id,
                                 c.type->spec.timeouts.cancel_grace});
    }
    save(c);
}

void shard_machine::adopt(cmd::Adopt::Reader a, command_result& result) {
    cell c;
    result.job = read_id(a.getJob());
    if (!open(result.job, c) || c.row.getState() != job_state::RUNNING || c.row.getAttempt() != a.getAttempt())
        return set_answer(result, errc::stale_attempt, "the attempt is not under way any more");
    pool_.release(worker_id{c.row.getWorker()}, slots_of(c.row));
    pool_.take_from(worker_id{a.getWorker()}, slots_of(c.row));
    c.row.setWorker(a.getWorker());
    c.row.setRevision(c.row.getRevision() + 1);
    save(c);
    out_->changes.push_back({c.id, c.type->id, job_state::RUNNING, job_state::RUNNING, c.row.getRevision()});
    out_->adopts.push_back({{c.id, a.getAttempt()}, worker_id{a.getWorker()}});
    const key_lanes::key key = key_of(c);
    write_running(c, key);
    note_home(c.tenant->id, *c.type, key, worker_id{a.getWorker()});
}

} // namespace coppice
