// Edits: a job that waits gets another priority, or another payload. Where it waits by its place in the queue it
// moves to the place that it would have had so from the beginning; its timeouts go on from when they were set. The
// row holds the present alone: evidence says that it was changed, by whom and why, but not the payload that it had.
#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

bool is_within_bounds(cmd::EditJob::Reader e) {
    return e.getPriority() <= limits::priority_last && e.getPayload().size() <= limits::payload_size_max &&
           (e.getPriority() != 0 || e.getHasPayload());
}

std::string edit_words(cmd::EditJob::Reader e, rec::JobRow::Reader before) {
    std::string text;
    if (e.getPriority() != 0)
        text = "priority " + std::to_string(before.getPriority()) + " to " + std::to_string(e.getPriority());
    if (e.getHasPayload()) text += (text.empty() ? "" : ", ") + std::string{"another payload"};
    if (e.getReason().size() > 0) text += std::string{": "} + e.getReason().cStr();
    return text;
}

} // namespace

void shard_machine::edit_job(cmd::EditJob::Reader e, command_result& result) {
    cell c;
    result.job = read_id(e.getJob());
    if (!open(result.job, c)) return set_answer(result, errc::not_found, "no job " + to_string(result.job));
    const job_state state = c.row.getState();
    if (!is_waiting(state))
        return set_answer(result, errc::illegal_transition,
                          "the job is " + std::string{to_string(state)} + "; only one that waits can be changed");
    if (!is_within_bounds(e))
        return set_answer(result, errc::invalid_argument,
                          "an edit has a priority of 1 (first) to 5 (last), or a payload of at most 256 KiB");
    if (e.getHasPayload() && !may_take_payload(e, c, result)) return;
    write_edit_evidence(e, c);
    if (state == job_state::QUEUED) leave_place(c); // the place is by what is about to change
    if (e.getPriority() != 0) c.row.setPriority(e.getPriority());
    if (e.getHasPayload()) take_payload(e, c);
    if (state == job_state::QUEUED) enter_place(c);
    c.row.setEdits(c.row.getEdits() + 1);
    c.row.setRevision(c.row.getRevision() + 1);
    c.grown = true;
    save(c);
    out_->changes.push_back({c.id, c.type->id, state, state, c.row.getRevision()});
}

bool shard_machine::may_take_payload(cmd::EditJob::Reader e, const cell& c, command_result& result) {
    if (c.type->version != e.getTypeVersion()) {
        result.retry_after_ms = 1;
        set_answer(result, errc::unavailable,
                   "job type \"" + c.type->spec.name + "\" was changed meanwhile; ask again");
        return false;
    }
    const auto like = like_job(c.id.tenant(), *c.type, e.getUniqueHigh(), e.getUniqueLow());
    if (!like || *like == c.id) return true;
    set_answer(result, errc::conflict, "it is to be unique, and job " + to_string(*like) + " is like it");
    return false;
}

void shard_machine::take_payload(cmd::EditJob::Reader e, cell& c) {
    forget_likeness(c.id, c.type->id, c.row.asReader());
    store_payload(c, e.getPayload());
    c.row.setTypeVersion(e.getTypeVersion());
    c.row.setLimitKey(e.getLimitKey());
    c.row.setUniqueHigh(e.getUniqueHigh());
    c.row.setUniqueLow(e.getUniqueLow());
    answer_for_likes(c); // until the time that was set when it was submitted, if one was
}

void shard_machine::write_edit_evidence(cmd::EditJob::Reader e, const cell& c) {
    const auto row = c.row.asReader();
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::JOB_EDITED);
    write_id(c.id, evidence.initJob());
    evidence.setType(c.type->id.value);
    evidence.setTypeVersion(row.getTypeVersion());
    evidence.setState(row.getState());
    evidence.setAttempt(row.getAttempt());
    evidence.setSubmitter(e.getBy());
    evidence.setDetail(edit_words(e, row).c_str());
    append_evidence(evidence);
}

} // namespace coppice
