// The end of a record: jobs that have ended are erased when their tenant's `keep` is over, or by somebody's wish.
// What stays is the evidence. A job goes with everything that is its own: payload, result, logs, idempotency key,
// likeness.
#include <algorithm>

#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {

// Some at once, and the rest by a timer that is due at once, so that one talkative job stalls nobody.
void shard_machine::erase_logs(const job_id& id) {
    const row_key prefix = keys::job(id);
    for (std::size_t erased = 0; erased < limits::log_rows_erased_max; ++erased) {
        const auto line = t_->seek(table::logs, prefix);
        if (!line || !has_prefix(line->key, prefix)) return;
        key_reader k{line->key.subspan(prefix.view().size())};
        const std::uint32_t attempt = k.u32();
        t_->erase(table::logs, keys::log(id, attempt, k.u64()));
    }
    t_->put(table::timers, keys::timer(now_, keys::timer_kind::erase_logs, id), {});
}

// When the job's idempotency key is over, if the key is still its own.
std::optional<instant> shard_machine::key_expires(const job_id& id, rec::JobRow::Reader row) {
    if (row.getIdempotencyKey().size() == 0) return std::nullopt;
    const auto known =
        t_->get(table::idempotency, keys::idempotency(shard_, id.tenant(), view(row.getIdempotencyKey())));
    if (!known) return std::nullopt;
    const auto key = read_key_.read(*known);
    return read_id(key.getJob()) == id ? std::optional{from_us(key.getExpiresUs())} : std::nullopt;
}

bool shard_machine::has_untold_children(const job_id& id, rec::JobRow::Reader row) {
    if (row.getChildren() == 0) return false;
    const row_key prefix = keys::dependents_of(id);
    const auto link = t_->seek(table::dependents, prefix);
    return link && has_prefix(link->key, prefix);
}

// The cell's job has ended, and its children know. Ends the cell.
void shard_machine::erase_job(cell& c) {
    const auto row = c.row.asReader();
    std::vector<job_id> parents;
    if (row.getParentsPending() > 0)
        for (const auto parent : row.getAfter()) parents.push_back(read_id(parent));
    if (row.getPayloadApart()) t_->erase(table::payloads, keys::job(c.id));
    if (row.getResultApart()) t_->erase(table::results, keys::job(c.id));
    if (row.getResultDigest().size() > 0) out_->dropped_results.push_back({c.id, row.getAttempt()});
    if (row.getHasStoredLines()) out_->dropped_lines.push_back(c.id);
    if (read_id(row.getGraph()) == c.id) t_->erase(table::graphs, keys::job(c.id));
    if (const auto expires = key_expires(c.id, row)) {
        t_->erase(table::idempotency, keys::idempotency(shard_, c.id.tenant(), view(row.getIdempotencyKey())));
        t_->erase(table::timers, keys::timer(*expires, keys::timer_kind::forget_idempotency, c.id));
    }
    forget_likeness(c.id, c.type->id, row);
    book_.erased(*c.tenant, *c.type, row.getState());
    out_->erased.push_back({c.tenant->id, row.getState()});
    t_->erase(table::jobs, keys::job(c.id));
    erase_logs(c.id);
    const job_id child = c.id;
    for (const job_id& parent : parents) forget_child(parent, child);
}

// A child that ended before its parent, which would have told it of its end.
void shard_machine::forget_child(const job_id& parent, const job_id& child) {
    if (!t_->erase(table::dependents, keys::dependent(parent, child))) return;
    cell p;
    if (!open(parent, p) || p.row.getChildren() == 0) return;
    p.row.setChildren(p.row.getChildren() - 1);
    save(p);
}

void shard_machine::delete_job(cmd::DeleteJob::Reader d, command_result& result) {
    cell c;
    result.job = read_id(d.getJob());
    if (!open(result.job, c)) return set_answer(result, errc::not_found, "no job " + to_string(result.job));
    if (!is_terminal(c.row.getState()))
        return set_answer(result, errc::illegal_transition,
                          "the job is " + std::string{to_string(c.row.getState())} +
                              "; only one that has ended can be deleted: cancel it first");
    if (has_untold_children(c.id, c.row.asReader()))
        return set_answer(result, errc::conflict, "the jobs that wait for it are being told of its end; try again");
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::JOB_DELETED);
    write_id(c.id, evidence.initJob());
    evidence.setType(c.type->id.value);
    evidence.setTypeVersion(c.row.getTypeVersion());
    evidence.setState(c.row.getState());
    evidence.setAttempt(c.row.getAttempt());
    evidence.setSubmitter(d.getBy());
    evidence.setDetail(d.getReason());
    append_evidence(evidence);
    erase_job(c);
}

// Whether what is declared says that the job is kept no longer. A key is answered with its job as long as it lasts.
bool shard_machine::is_kept_no_longer(const job_id& id, rec::JobRow::Reader row, const keep_spec& keep) {
    if (!is_terminal(row.getState())) return false;
    const milliseconds kept = keep.of(row.getState());
    return kept.count() > 0 && from_us(row.getFinishedUs()) + kept <= now_ && !key_expires(id, row) &&
           !has_untold_children(id, row);
}

void shard_machine::sweep(cmd::Sweep::Reader s) {
    const tenant_id tenant{s.getTenant()};
    const tenant_entry* t = book_.tenant(tenant);
    if (t == nullptr || !t->spec.keep.bounds()) return sweep_.swept(tenant, std::nullopt, now_);
    const row_key prefix = keys::tenant(shard_, tenant);
    std::vector<job_id> over;
    std::optional<job_id> go_on;
    std::size_t looks = 0;
    record_reader<rec::JobRow> reader;
    for (auto r = t_->seek(table::jobs, row_key{prefix}.id(read_id(s.getFrom()))); r && has_prefix(r->key, prefix);
         r = t_->next(table::jobs)) {
        key_reader k{r->key.subspan(prefix.view().size())};
        const job_id id = k.id();
        // Made so late that no job from here on can be over: ids lie in the order of time.
        if (from_us(static_cast<std::int64_t>(id.time_ms()) * 1000) + t->spec.keep.shortest() > now_) break;
        if (looks++ == limits::sweep_looks_max || over.size() == limits::sweep_jobs_max) {
            go_on = id;
            break;
        }
        if (is_kept_no_longer(id, reader.read(r->value), t->spec.keep)) over.push_back(id);
    }
    for (const job_id& id : over)
        if (cell c; open(id, c)) erase_job(c);
    sweep_.swept(tenant, go_on, now_);
}

} // namespace coppice
