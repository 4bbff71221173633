// Repairs: what the store check found of one job, or of a tenant's counters, is put right, by a command like any
// other, so on every replica alike. The job's row is what is believed: rows that are derived from it are made anew,
// and rows that point at it and should not are erased. Each is looked at once more before it is touched, so what is
// right stays, and a repair that comes twice does nothing the second time.
#include <algorithm>

#include "actors/jobs/bounded_text.hpp"
#include "actors/jobs/shard_machine.hpp"
#include "actors/jobs/store_checker.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {

void shard_machine::repair(cmd::Repair::Reader r, command_result& result) {
    repairs_.clear();
    result.job = read_id(r.getJob());
    if (result.job.is_nil())
        repair_counters(tenant_id{r.getTenant()}, result);
    else
        repair_job(r, result);
    if (repairs_.empty()) return;
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::REPAIRED);
    write_id(result.job, evidence.initJob());
    evidence.setSubmitter(r.getBy());
    if (r.getReason().size() > 0) repairs_ += std::string{": "} + r.getReason().cStr();
    evidence.setDetail(bounded_text(repairs_, limits::error_size_max).c_str());
    append_evidence(evidence);
    resolve_children();
    resolve_batches();
    resolve_runs();
    book_.flush(*t_);
    load(*t_); // all that is kept in memory was made of what was wrong
}

void shard_machine::repaired(std::string_view what) {
    if (repairs_.find(what) != std::string::npos) return;
    if (!repairs_.empty()) repairs_ += ", ";
    repairs_ += what;
}

// What is in memory was read from the rows long ago: rows that were lost since are written anew by this, too.
void shard_machine::repair_counters(tenant_id id, command_result& result) {
    book_.flush(*t_);
    book_.load(*t_);
    tenant_entry* t = book_.tenant(id);
    if (t == nullptr) return set_answer(result, errc::invalid_argument, "no tenant of this shard");
    auto counted = store_checker{*t_, shard_, 1}.count_jobs(id);
    std::erase_if(counted, [this](const auto& each) { return book_.type(each.first) == nullptr; });
    if (book_.count_anew(*t, counted)) repaired("counters of tenant " + t->spec.name);
}

void shard_machine::repair_job(cmd::Repair::Reader r, command_result& result) {
    const job_id id = result.job;
    if (id.shard() != shard_ || r.getRows().size() > limits::repair_rows_max)
        return set_answer(result, errc::invalid_argument, "a job of another shard, or too many rows");
    std::vector<job_id> of{id};
    for (const auto each : r.getRows()) {
        const auto key = each.getKey();
        repair_row(static_cast<table>(each.getTable()), std::as_bytes(std::span{key.begin(), key.size()}), of);
    }
    for (const job_id& each : of) {
        if (const auto damaged = store_checker{*t_, shard_, 1}.first_unreadable(each)) {
            set_answer(result, errc::store_damaged, "the row of job " + to_string(*damaged) + " can't be read");
            continue;
        }
        cell c;
        if (open(each, c)) {
            restore_places(c);
            restore_bytes(c);
            save(c);
            restore_family(each);
        } else if (!t_->get(table::jobs, keys::job(each)))
            erase_what_is_left_of(each);
    }
}

// A row that the check still finds to be wrong is erased. `of` grows by the jobs that it had bound together.
void shard_machine::repair_row(table t, bytes_view key, std::vector<job_id>& of) {
    const auto value = is_told_by_key(t) && has_prefix(key, keys::shard(shard_)) ? t_->get(t, key) : std::nullopt;
    if (!value) return;
    store_checker check(*t_, shard_, 1);
    check.look_at(t, {key, *value});
    if (check.report.findings.empty()) return;
    if (t == table::idempotency && !check.unreadable && restore_key(key, *value)) return;
    if (t == table::batches && !check.unreadable)
        if (const auto callback = waiting_callback(key, *value)) return of.push_back(*callback);
    if (t == table::dependents) {
        key_reader k{key.subspan(2)};
        of.push_back(k.id());
        of.push_back(k.id());
    }
    t_->erase(t, key);
    repaired("a row of " + std::string{to_string(t)} + " erased");
}

// Whom a batch counts for, when that still waits: then it may count wrongly, but is not without use.
std::optional<job_id> shard_machine::waiting_callback(bytes_view key, bytes_view value) {
    const job_id callback = read_id(read_batch_.read(value).getCallback());
    cell c;
    const bool waits = open(callback, c) && c.row.getState() == job_state::BLOCKED && c.row.getCallback() &&
                       std::ranges::equal(key, keys::job(read_id(c.row.asReader().getGraph())).view());
    return waits ? std::optional{callback} : std::nullopt;
}

// A key that names its own job and lacks nothing but the timer that forgets it.
bool shard_machine::restore_key(bytes_view key, bytes_view value) {
    const auto known = read_key_.read(value);
    const job_id id = read_id(known.getJob());
    const instant expires = from_us(known.getExpiresUs());
    cell c;
    if (!open(id, c) || as_text(key.subspan(6)) != view(c.row.asReader().getIdempotencyKey())) return false;
    ensure(table::timers, keys::timer(expires, keys::timer_kind::forget_idempotency, id), {}, "its key's timer");
    return true;
}

void shard_machine::ensure(table t, bytes_view key, bytes_view value, std::string_view what) {
    if (t_->get(t, key)) return;
    t_->put(t, key, value);
    repaired(what);
}

void shard_machine::erase_if(bool wrong, table t, const job_id& id) {
    if (wrong && t_->erase(t, keys::job(id))) repaired("a row of " + std::string{to_string(t)} + " erased");
}

void shard_machine::erase_what_is_left_of(const job_id& id) {
    for (const table t : {table::running, table::payloads, table::results, table::checkpoints})
        erase_if(true, t, id);
    const auto line = t_->seek(table::logs, keys::job(id));
    if (!line || !has_prefix(line->key, keys::job(id))) return;
    erase_logs(id);
    repaired("log lines erased");
}

} // namespace coppice
