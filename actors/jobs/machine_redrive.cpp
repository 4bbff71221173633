// Redrive: a job that failed or was cancelled is done again, as a new job. The old one stays what it is, for a
// state in which a job has ended never changes; it names the new one, so that it is redriven once however often it
// is asked for.
#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

// Whether a new job is to be made; else `result` has the answer.
bool shard_machine::may_redrive(cmd::Submit::Reader s, command_result& result) {
    const job_id old = read_id(s.getRedrives());
    const bool own = old.shard() == shard_ && old.tenant() == result.job.tenant();
    const auto stored = own ? t_->get(table::jobs, keys::job(old)) : std::nullopt;
    if (!stored) {
        set_answer(result, errc::not_found, "no job " + to_string(old));
        return false;
    }
    const auto row = read_job_.read(*stored);
    if (const job_id again = read_id(row.getRedrivenAs()); !again.is_nil()) {
        result.job = again;
        result.existing = true;
        return false;
    }
    if (row.getState() == job_state::FAILED || row.getState() == job_state::CANCELLED) return true;
    set_answer(result, errc::illegal_transition,
               "the job is " + std::string{to_string(row.getState())} +
                   "; only one that failed or was cancelled can be redriven");
    return false;
}

void shard_machine::mark_redriven(cmd::Submit::Reader s) {
    cell old;
    if (!open(read_id(s.getRedrives()), old)) return;
    old.grown = true;
    old.row.setRedrivenAs(s.getJob());
    old.row.setRevision(old.row.getRevision() + 1);
    save(old);
    const job_state state = old.row.getState();
    out_->changes.push_back({old.id, old.type->id, state, state, old.row.getRevision()});
}

} // namespace coppice
