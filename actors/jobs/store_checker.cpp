#include "actors/jobs/store_checker.hpp"

#include <algorithm>

#include "schema/wire_ids.hpp"

namespace coppice {

std::optional<rec::JobRow::Reader> store_checker::job(const job_id& id) {
    const auto stored = from.get(table::jobs, keys::job(id));
    if (!stored) return std::nullopt;
    return other_job_reader.read(*stored);
}

bool store_checker::has_timer(std::int64_t due_us, keys::timer_kind kind, const job_id& id) {
    return from.get(table::timers, keys::timer(from_us(due_us), kind, id)).has_value();
}

void store_checker::find(const job_id& id, const std::string& what) {
    if (full()) return;
    find("job " + to_string(id) + ": " + what);
    // A row that names a job of another shard can only be erased, by this one.
    std::vector<check_report::suspect_row>& rows = report.jobs[id.shard() == shard ? id : no_job()];
    if (at && is_told_by_key(at->of) && rows.size() < limits::repair_rows_max)
        rows.push_back({at->of, {at->key.begin(), at->key.end()}});
}

void store_checker::find_unreadable(table t, const std::string& why) {
    unreadable = true;
    const std::string what = "table " + std::string{to_string(t)} + ": a row that can't be read: " + why;
    if (about) return find(*about, what);
    find(what);
}

bool store_checker::can_be_read(const job_id& id) {
    unreadable = false;
    guarded(table::jobs, [&] {
        const auto stored = from.get(table::jobs, keys::job(id));
        if (stored) check_job(id, job_reader.read(*stored));
    });
    return !unreadable;
}

std::optional<job_id> store_checker::first_unreadable(const job_id& id) {
    if (!can_be_read(id)) return id;
    std::vector<job_id> others;
    guarded(table::graphs, [&] {
        const auto row = job(id);
        if (!row) return;
        for (const auto parent : row->getAfter()) others.push_back(read_id(parent));
        const auto graph =
            row->getCallback() ? from.get(table::graphs, keys::job(read_id(row->getGraph()))) : std::nullopt;
        record_reader<rec::GraphRow> reader;
        if (!graph) return;
        for (const auto each : reader.read(*graph).getJobs()) others.push_back(read_id(each));
    });
    if (unreadable) return id;
    const row_key prefix = keys::dependents_of(id);
    for (auto r = from.seek(table::dependents, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::dependents))
        others.push_back(key_reader{r->key.subspan(prefix.view().size())}.id());
    for (const job_id& each : others)
        if (!can_be_read(each)) return each;
    return std::nullopt;
}

std::map<type_id, std::array<std::uint64_t, job_state_count>> store_checker::count_jobs(tenant_id tenant) {
    std::map<type_id, tally> jobs;
    const row_key prefix = keys::tenant(shard, tenant);
    for (auto r = from.seek(table::jobs, prefix); r && has_prefix(r->key, prefix); r = from.next(table::jobs))
        guarded(table::jobs, [&] {
            const auto row = job_reader.read(r->value);
            if (is_known(row.getState())) ++jobs[type_id{row.getType()}][index_of(row.getState())];
        });
    return jobs;
}

bool store_checker::is_misplaced(const row& r, const job_id& id) {
    return !std::ranges::equal(r.key, keys::job(id).view());
}

void store_checker::declarations() {
    record_reader<rec::TenantRow> tenant_reader;
    each_row(table::tenants, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const tenant_id id{k.u32()};
        tenants.insert(id);
        if (tenant_reader.read(r.value).getName().size() == 0) find("tenant " + number(id.value) + " has no name");
    });
    record_reader<rec::TypeRow> type_reader;
    each_row(table::types, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const type_id id{k.u32()};
        types.insert(id);
        const auto type = type_reader.read(r.value);
        if (type.getKeyField().size() > 0) key_since[id] = type.getKeySince();
        if (type.getName().size() == 0) find("job type " + number(id.value) + " has no name");
    });
}

void store_checker::timers() {
    each_row(table::timers, [this](const row& r) { timer_row(r); });
}

void store_checker::timer_row(const row& r) {
    key_reader k{r.key.subspan(2)};
    const instant due = from_us(static_cast<std::int64_t>(k.u64()));
    const auto kind = static_cast<keys::timer_kind>(k.u8());
    const job_id id = k.id();
    if (!k.ok()) return find(id, "a timer's key is too short");
    check_timer(due, kind, id);
}

void store_checker::check_timer(instant due, keys::timer_kind kind, const job_id& id) {
    if (kind == keys::timer_kind::erase_logs) {
        erasing.insert(id);
        if (job(id)) find(id, "its logs are being erased, but it is there");
        return;
    }
    const auto row = job(id);
    // It was erased before; its key had been another job's by then.
    if (!row && (kind == keys::timer_kind::forget_unique || kind == keys::timer_kind::forget_idempotency)) return;
    if (!row) return find(id, "a timer of kind " + number(static_cast<unsigned>(kind)) + " is for no job");
    const job_state state = row->getState();
    switch (kind) {
    case keys::timer_kind::ready:
        if (state != job_state::SCHEDULED || row->getDueUs() != to_us(due))
            find(id, "a ready timer, but the job is not scheduled for it");
        return;
    case keys::timer_kind::queued_timeout:
        if (state != job_state::QUEUED || row->getQueuedDueUs() != to_us(due))
            find(id, "a queued-timeout timer that the job does not have");
        return;
    case keys::timer_kind::job_timeout:
        if (is_terminal(state) || row->getJobDueUs() != to_us(due))
            find(id, "a job-timeout timer that the job does not have");
        return;
    case keys::timer_kind::resolve_children:
        if (!is_terminal(state)) find(id, "its children are to be told of its end, but it has not ended");
        telling.insert(id);
        return;
    case keys::timer_kind::forget_idempotency:
        if (row->getIdempotencyKey().size() == 0)
            find(id, "its idempotency key is to be forgotten, but it has none");
        return;
    case keys::timer_kind::forget_unique:
        if (row->getUniqueHigh() == 0 && row->getUniqueLow() == 0 && row->getEdits() == 0)
            find(id, "it is to answer for its likes no longer, but never did");
        return;
    case keys::timer_kind::erase_logs: // above: it is for a job that is there no longer
        return;
    }
    find(id, "a timer of unknown kind " + number(static_cast<unsigned>(kind)));
}

void store_checker::jobs() {
    each_row(table::jobs, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const tenant_id tenant{k.u32()};
        const job_id id = k.id();
        if (!k.ok() || id.shard() != shard || id.tenant() != tenant)
            return find(id, "its row lies under another shard or tenant than its id says");
        check_job(id, job_reader.read(r.value));
    });
}

void store_checker::check_job(const job_id& id, rec::JobRow::Reader row) {
    if (!is_known(row.getState())) return find(id, "a state of no known number");
    if (!tenants.contains(id.tenant())) find(id, "its tenant is not declared");
    if (!types.contains(type_id{row.getType()})) find(id, "its job type is not declared");
    ++counted[{id.tenant(), type_id{row.getType()}}][index_of(row.getState())];
    check_place(id, row);
    check_attempts(id, row);
    check_family(id, row);
    check_end(id, row);
    check_bytes(id, row);
}

// That each waiting or running job has its index row; `indexes` and `timers` see to it that it has no other.
void store_checker::check_place(const job_id& id, rec::JobRow::Reader row) {
    const job_state state = row.getState();
    const auto rank = keys::rank(from_us(row.getReadyUs()), row.getPriority());
    if (row.getPriority() < limits::priority_first || row.getPriority() > limits::priority_last)
        find(id, "priority " + number(row.getPriority()));
    if (state == job_state::QUEUED && !from.get(table::queue, keys::queue(id, type_id{row.getType()}, rank)))
        find(id, "queued, but not in the queue at its rank");
    if (state == job_state::RUNNING && !from.get(table::running, keys::job(id)))
        find(id, "running, but without a running row");
    if (state == job_state::SCHEDULED && !has_timer(row.getDueUs(), keys::timer_kind::ready, id))
        find(id, "scheduled, but without a ready timer");
    if (state != job_state::SCHEDULED && state != job_state::BLOCKED && row.getDueUs() != 0)
        find(id, "a due time, though it does not wait for one");
    if (row.getQueuedDueUs() != 0 && !has_timer(row.getQueuedDueUs(), keys::timer_kind::queued_timeout, id))
        find(id, "a queued timeout without its timer");
    if (row.getJobDueUs() != 0 && !has_timer(row.getJobDueUs(), keys::timer_kind::job_timeout, id))
        find(id, "a job timeout without its timer");
}

void store_checker::check_attempts(const job_id& id, rec::JobRow::Reader row) {
    const std::uint64_t over = std::uint64_t{row.getTries()} + row.getLost();
    const std::uint64_t newest = row.getAttempt();
    const bool running = row.getState() == job_state::RUNNING;
    // An attempt that succeeded, obeyed a cancel or met the job's timeout counts neither as a try nor as lost.
    const bool fits =
        is_terminal(row.getState()) ? newest == over || newest == over + 1 : newest == over + (running ? 1 : 0);
    if (!fits)
        find(id, "attempt " + number(newest) + " after " + number(row.getTries()) + " tries and " +
                     number(row.getLost()) + " lost attempts");
    if (row.getCancelRequested() && !running && !is_terminal(row.getState()))
        find(id, "told to stop, but it does not run");
    if (row.getHistory().size() > limits::history_max) find(id, "a history longer than its bound");
    std::uint32_t before = 0;
    for (const auto end : row.getHistory()) {
        if (end.getAttempt() <= before || end.getAttempt() > newest)
            find(id, "attempt numbers in its history don't grow");
        before = end.getAttempt();
    }
}

void store_checker::check_family(const job_id& id, rec::JobRow::Reader row) {
    std::set<job_id> pending;
    for (const auto parent : row.getAfter())
        if (from.get(table::dependents, keys::dependent(read_id(parent), id))) pending.insert(read_id(parent));
    const bool blocked = row.getState() == job_state::BLOCKED;
    if (row.getMember() && !is_terminal(row.getState())) ++open_members[read_id(row.getGraph())];
    if (blocked && row.getCallback()) {
        if (row.getParentsPending() != 1 || !from.get(table::batches, keys::job(read_id(row.getGraph()))))
            find(id, "its graph's callback, but nothing counts what it waits for");
    } else if (blocked && (row.getParentsPending() == 0 || row.getParentsPending() != pending.size()))
        find(id, "blocked with " + number(row.getParentsPending()) + " parents pending, and " +
                     number(pending.size()) + " of them know of it");
    if (!blocked && !is_terminal(row.getState()) && (row.getParentsPending() != 0 || !pending.empty()))
        find(id, "parents pending, though it is not blocked");

    std::uint64_t children = 0;
    const row_key prefix = keys::dependents_of(id);
    for (auto r = from.seek(table::dependents, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::dependents))
        ++children;
    if (is_terminal(row.getState()) ? children > row.getChildren() : children != row.getChildren())
        find(id, number(row.getChildren()) + " children in its row, " + number(children) + " in dependents");
    if (is_terminal(row.getState()) && children > 0 && !telling.contains(id))
        find(id, "ended, and nobody will tell its children");
}

void store_checker::check_end(const job_id& id, rec::JobRow::Reader row) {
    if (!is_terminal(row.getState())) {
        if (row.getEvidence() != 0 || row.getFinishedUs() != 0) find(id, "not ended, but with evidence or an end");
        return;
    }
    if (row.getQueuedDueUs() != 0 || row.getJobDueUs() != 0) find(id, "ended, but with timers");
    if (row.getFinishedUs() == 0) find(id, "ended at no time");
    const auto stored = from.get(table::evidence, keys::evidence(shard, row.getEvidence()));
    if (!stored) return find(id, "ended without evidence");
    const auto evidence = evidence_reader.read(*stored);
    const bool refused = row.getState() == job_state::REJECTED;
    const auto kind = refused ? rec::EvidenceRow::Kind::JOB_REFUSED : rec::EvidenceRow::Kind::JOB_ENDED;
    if (evidence.getKind() != kind || read_id(evidence.getJob()) != id || evidence.getState() != row.getState() ||
        evidence.getAttempt() != row.getAttempt() || evidence.getType() != row.getType() ||
        evidence.getAtUs() != row.getFinishedUs() ||
        (row.getState() != job_state::SUCCEEDED && evidence.getCode() != row.getErrorCode()))
        find(id, "its evidence " + number(row.getEvidence()) + " says something else than its row");
}

void store_checker::check_bytes(const job_id& id, rec::JobRow::Reader row) {
    if (row.getPayloadApart() && (row.getPayload().size() != 0 || !from.get(table::payloads, keys::job(id))))
        find(id, "its payload is not where the row says");
    const auto checkpoint = from.get(table::checkpoints, keys::job(id));
    if (row.getCheckpointSize() != (checkpoint ? checkpoint->size() : 0))
        find(id, "its checkpoint has another size than its row says");
    if (is_terminal(row.getState()) && row.getCheckpointSize() != 0) find(id, "ended, but with a checkpoint");
    if (row.getState() != job_state::SUCCEEDED) {
        if (row.getResultApart() || row.getResultSize() != 0 || row.getResultDigest().size() != 0)
            find(id, "a result, though it has not succeeded");
        return;
    }
    if (const auto digest = row.getResultDigest(); digest.size() != 0) { // in the result store, which is not ours
        if (digest.size() != stored_result::digest_size || row.getResultApart() || row.getResult().size() != 0)
            find(id, "a result that is in the result store, and here");
        return;
    }
    std::uint64_t size = row.getResult().size();
    if (row.getResultApart()) {
        const auto apart = from.get(table::results, keys::job(id));
        size = apart ? apart->size() : 0;
    }
    if (size != row.getResultSize())
        find(id, "its result has " + number(size) + " bytes; the row says " + number(row.getResultSize()));
}

} // namespace coppice
