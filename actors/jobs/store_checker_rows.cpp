// The rows that point at jobs: each must point at one that fits.
#include "actors/jobs/store_checker.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

void store_checker::look_at(table t, const row& r) {
    at = suspect{t, r.key};
    about = no_job();
    guarded(t, [&] {
        if (r.key.size() < key_size_min) return find_unreadable(t, "its key is too short");
        switch (t) {
        case table::queue:
            return queue_row(r);
        case table::timers:
            return timer_row(r);
        case table::dependents:
            return dependents_row(r);
        case table::idempotency:
            return idempotency_row(r);
        case table::unique:
            return unique_row(r);
        case table::batches:
            return batch_row(r);
        default: {
            key_reader k{r.key.subspan(6)};
            if (const job_id id = k.id(); !k.ok() || is_misplaced(r, id))
                find(id, "a row that is not under its job's key");
        }
        }
    });
    at.reset();
}

void store_checker::indexes() {
    each_row(table::queue, [this](const row& r) { queue_row(r); });
    running_rows();
    each_row(table::dependents, [this](const row& r) { dependents_row(r); });
}

void store_checker::queue_row(const row& r) {
    key_reader k{r.key.subspan(2)};
    const tenant_id tenant{k.u32()};
    const type_id type{k.u32()};
    const std::uint64_t rank = k.u64();
    const job_id id = k.id();
    const auto row = job(id);
    if (!k.ok() || !row) return find(id, "in the queue, but there is no such job");
    if (row->getState() != job_state::QUEUED || id.tenant() != tenant || row->getType() != type.value ||
        keys::rank(from_us(row->getReadyUs()), row->getPriority()) != rank)
        find(id, "in the queue at a place that is not its own");
}

void store_checker::running_rows() {
    record_reader<rec::RunningRow> reader;
    each_row(table::running, [&](const row& r) {
        key_reader k{r.key.subspan(6)};
        const job_id id = k.id();
        const auto row = job(id);
        if (!k.ok() || !row || is_misplaced(r, id)) return find(id, "a running row, but there is no such job");
        about = id;
        const auto running = reader.read(r.value);
        if (row->getState() != job_state::RUNNING || running.getAttempt() != row->getAttempt() ||
            running.getType() != row->getType() || running.getWorker() != row->getWorker() ||
            running.getStartedUs() != row->getStartedUs() || running.getSlots() != row->getSlots() ||
            !key_fits(running.getLimitKey(), *row))
            find(id, "a running row that says something else than the job's");
    });
}

bool store_checker::key_fits(std::uint64_t key, rec::JobRow::Reader row) const {
    const auto since = key_since.find(type_id{row.getType()});
    if (since == key_since.end()) return key == 0;
    return row.getTypeVersion() >= since->second ? key == row.getLimitKey() : key != 0;
}

void store_checker::dependents_row(const row& r) {
    key_reader k{r.key.subspan(2)};
    const job_id parent = k.id();
    const job_id child = k.id();
    if (!k.ok() || !job(parent)) return find(parent, "children wait for it, but there is no such job");
    const auto row = job(child);
    if (!row) return find(child, "waits for a parent, but there is no such job");
    bool named = false;
    for (const auto after : row->getAfter()) named = named || read_id(after) == parent;
    if (!named) find(child, "waits for a job that it did not name");
    // One that was cancelled or timed out meanwhile stays until its parent ends.
    if (row->getState() != job_state::BLOCKED && !is_terminal(row->getState()))
        find(child, "waits for a parent, but is not blocked");
}

void store_checker::bytes_apart() {
    const auto each_of_a_job = [this](table t, const std::string& what, auto has) {
        each_row(t, [&](const row& r) {
            key_reader k{r.key.subspan(6)};
            const job_id id = k.id();
            const auto row = job(id);
            if (!k.ok() || !row || !has(*row) || is_misplaced(r, id)) find(id, what + " that no job has");
        });
    };
    using job_row = rec::JobRow::Reader;
    each_of_a_job(table::payloads, "a payload apart", [](job_row j) { return j.getPayloadApart(); });
    each_of_a_job(table::checkpoints, "a checkpoint", [](job_row j) { return j.getCheckpointSize() > 0; });
    each_of_a_job(table::results, "a result apart", [](job_row j) { return j.getResultApart(); });
}

void store_checker::likeness() {
    each_row(table::unique, [this](const row& r) { unique_row(r); });
}

void store_checker::unique_row(const row& r) {
    record_reader<rec::UniqueRow> reader;
    key_reader k{r.key.subspan(2)};
    const tenant_id tenant{k.u32()};
    const type_id type{k.u32()};
    const std::uint64_t high = k.u64(), low = k.u64();
    const job_id id = read_id(reader.read(r.value).getJob());
    const auto row = job(id);
    if (!k.ok() || !row) return find(id, "it answers for its likes, but there is no such job");
    if (id.tenant() != tenant || row->getType() != type.value || row->getUniqueHigh() != high ||
        row->getUniqueLow() != low)
        find(id, "it answers for likes that are not its own");
}

void store_checker::graphs() {
    record_reader<rec::GraphRow> reader;
    each_row(table::graphs, [&](const row& r) {
        key_reader k{r.key.subspan(6)};
        const job_id graph = k.id();
        const auto jobs = reader.read(r.value).getJobs();
        if (!k.ok() || jobs.size() == 0 || read_id(jobs[0]) != graph)
            return find(graph, "a graph that does not begin with it");
        const auto first = job(graph); // its graph's row goes when it does
        const std::int64_t submitted = first ? first->getSubmittedUs() : 0;
        for (const auto each : jobs) {
            const auto row = job(read_id(each)); // none: its time was over before the first one's
            const bool is_later = row && row->getSubmittedUs() > submitted; // an id that was submitted once more
            if (row && !is_later && read_id(row->getGraph()) != graph)
                find(read_id(each), "job " + to_string(graph) + "'s graph names it, but it is not of it");
        }
    });
}

void store_checker::batches() {
    each_row(table::batches, [this](const row& r) { batch_row(r); });
}

void store_checker::batch_row(const row& r) {
    record_reader<rec::BatchRow> reader;
    key_reader k{r.key.subspan(6)};
    const job_id graph = k.id();
    const auto batch = reader.read(r.value);
    const job_id callback = read_id(batch.getCallback());
    const auto row = job(callback);
    if (!k.ok() || !row || !row->getCallback() || row->getState() != job_state::BLOCKED ||
        read_id(row->getGraph()) != graph)
        return find(graph, "its graph counts for a callback that does not wait");
    if (batch.getPending() != open_members[graph])
        find(graph, "its graph's callback waits for " + number(batch.getPending()) + " jobs; " +
                        number(open_members[graph]) + " have not ended");
}

void store_checker::schedules() {
    record_reader<rec::ScheduleRow> reader;
    each_row(table::schedules, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const std::string name = "schedule " + number(k.u32()) + ": ";
        const auto schedule = reader.read(r.value);
        const job_id last = read_id(schedule.getLastJob());
        if (schedule.getName().size() == 0) return find(name + "no name");
        if (!tenants.contains(tenant_id{schedule.getTenant()})) find(name + "its tenant is not declared");
        if (last.is_nil()) return;
        const auto run = job(last);
        if (last.tenant().value != schedule.getTenant())
            return find(last, name + "its newest run is another tenant's");
        if (schedule.getBufferedUs() != 0 && (!run || is_terminal(run->getState())))
            find(last, name + "a run waits for it, but it has ended");
    });
}

void store_checker::idempotency() {
    each_row(table::idempotency, [this](const row& r) { idempotency_row(r); });
}

void store_checker::idempotency_row(const row& r) {
    record_reader<rec::IdempotencyRow> reader;
    key_reader k{r.key.subspan(2)};
    const tenant_id tenant{k.u32()};
    const auto known = reader.read(r.value);
    const job_id id = read_id(known.getJob());
    const auto row = job(id);
    if (!k.ok() || !row) return find(id, "an idempotency key names it, but there is no such job");
    const auto text = row->getIdempotencyKey();
    if (id.tenant() != tenant || as_text(r.key.subspan(6)) != std::string_view{text.begin(), text.size()})
        find(id, "an idempotency key names it that is not its own");
    if (!has_timer(known.getExpiresUs(), keys::timer_kind::forget_idempotency, id))
        find(id, "its idempotency key will never be forgotten");
}

void store_checker::logs() {
    job_id current;
    std::uint32_t attempt = 0;
    std::uint64_t lines = 0;
    each_row(table::logs, [&](const row& r) {
        key_reader k{r.key.subspan(6)};
        const job_id id = k.id();
        const std::uint32_t of = k.u32();
        if (id != current || of != attempt) {
            current = id;
            attempt = of;
            lines = 0;
            const auto row = job(id);
            const bool is_erased = !row && erasing.contains(id);
            if (!k.ok() || (!row && !is_erased) || of == 0 || (row && of > row->getAttempt()))
                find(id, "log lines of attempt " + number(of) + ", which it never had");
        }
        if (++lines == limits::log_lines_per_attempt_max + limits::lines_to_store_max + 1)
            find(id, "more log lines of attempt " + number(of) + " than are kept");
    });
}

void store_checker::counters() {
    record_reader<rec::CountersRow> reader;
    const auto name = [](tenant_id t, type_id y) {
        return "tenant " + number(t.value) + ", job type " + number(y.value) + ": ";
    };
    each_row(table::counters, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const tenant_id t{k.u32()};
        const type_id y{k.u32()};
        const auto c = reader.read(r.value);
        const tally stored{c.getBlocked(),   c.getScheduled(), c.getQueued(),    c.getRunning(),
                           c.getSucceeded(), c.getFailed(),    c.getCancelled(), c.getRejected()};
        const tally real = counted[{t, y}];
        counted.erase({t, y});
        for (const job_state s : all_job_states) {
            if (stored[index_of(s)] == real[index_of(s)]) continue;
            find(name(t, y) + number(stored[index_of(s)]) + " jobs counted as " + std::string{to_string(s)} +
                 ", there are " + number(real[index_of(s)]));
            report.counters.insert(t);
        }
    });
    for (const auto& [of, real] : counted) {
        if (full()) return;
        find(name(of.first, of.second) + "jobs, but no counters");
        report.counters.insert(of.first);
    }
}

// Evidence has no gaps; each row about a job's end agrees with the job; and from the newest backwards, the event
// feed tells the same ends in the same order, as far as it was not pruned.
void store_checker::feeds() {
    evidence_rows();
    guarded(table::events, [this] { compare_feeds(); });
}

void store_checker::compare_feeds() {
    std::uint64_t before_evidence = ~std::uint64_t{0};
    std::uint64_t before_event = ~std::uint64_t{0};
    std::optional<std::uint64_t> newer_event;
    for (;;) {
        const auto event = event_before(before_event);
        const auto evidence = full() ? std::nullopt : evidence_of_job_before(before_evidence);
        if (!event) {
            // The newest event is never pruned.
            if (evidence && !newer_event) find(evidence->job, "ended, and the event feed is empty");
            return;
        }
        ++report.rows;
        if (!evidence) {
            if (!full()) find(event->job, "an event " + number(event->sequence) + " without evidence");
            return;
        }
        if (newer_event && *newer_event != event->sequence + 1)
            find(event->job, "a gap in the events after " + number(event->sequence));
        if (event->job != evidence->job || event->state != evidence->state || event->at_us != evidence->at_us ||
            (event->state != job_state::SUCCEEDED && event->code != evidence->code))
            return find(event->job, "event " + number(event->sequence) + " and evidence " +
                                        number(evidence->sequence) + " (job " + to_string(evidence->job) +
                                        ") don't tell the same end");
        newer_event = before_event = event->sequence;
        before_evidence = evidence->sequence;
    }
}

void store_checker::evidence_rows() {
    std::optional<std::uint64_t> older;
    each_row(table::evidence, [&](const row& r) {
        key_reader k{r.key.subspan(2)};
        const std::uint64_t sequence = k.u64();
        if (older && *older + 1 != sequence) find("a gap in the evidence before " + number(sequence));
        older = sequence;
        const auto e = evidence_reader.read(r.value);
        if (e.getKind() == rec::EvidenceRow::Kind::TENANT_REFUSED ||
            e.getKind() == rec::EvidenceRow::Kind::REPAIRED)
            return;
        const job_id id = read_id(e.getJob());
        const auto row = job(id);
        // None: its record is over, which the counters know. Refused, or earlier, perhaps in the same microsecond:
        // an id that was submitted once more.
        if (!row || e.getKind() == rec::EvidenceRow::Kind::JOB_REFUSED || e.getAtUs() < row->getSubmittedUs())
            return;
        const bool may_be_earlier = e.getKind() == rec::EvidenceRow::Kind::JOB_DELETED ||
                                    row->getEvidence() > sequence || !is_terminal(row->getState());
        if (e.getAtUs() == row->getSubmittedUs() && may_be_earlier) return;
        if (e.getKind() == rec::EvidenceRow::Kind::JOB_DELETED)
            find(id, "evidence " + number(sequence) + " says that it was deleted, but it is there");
        else if (e.getKind() != rec::EvidenceRow::Kind::JOB_EDITED && row->getEvidence() != sequence)
            find(id, "evidence " + number(sequence) + " (kind " + number(static_cast<unsigned>(e.getKind())) +
                         ") that the job does not name");
    });
}

std::optional<store_checker::feed_row> store_checker::evidence_of_job_before(std::uint64_t sequence) {
    for (;;) {
        const auto r = from.seek_before(table::evidence, keys::evidence(shard, sequence));
        if (!r || !has_prefix(r->key, keys::shard(shard))) return std::nullopt;
        sequence = key_reader{r->key.subspan(2)}.u64();
        const auto e = evidence_reader.read(r->value);
        if (e.getKind() == rec::EvidenceRow::Kind::TENANT_REFUSED ||
            e.getKind() == rec::EvidenceRow::Kind::JOB_DELETED ||
            e.getKind() == rec::EvidenceRow::Kind::JOB_EDITED || e.getKind() == rec::EvidenceRow::Kind::REPAIRED)
            continue;
        return feed_row{sequence, read_id(e.getJob()), e.getState(), e.getAtUs(), e.getCode()};
    }
}

std::optional<store_checker::feed_row> store_checker::event_before(std::uint64_t sequence) {
    const auto r = from.seek_before(table::events, keys::event(shard, sequence));
    if (!r || !has_prefix(r->key, keys::shard(shard))) return std::nullopt;
    const auto e = event_reader.read(r->value);
    return feed_row{key_reader{r->key.subspan(2)}.u64(), read_id(e.getJob()), e.getState(), e.getAtUs(),
                    e.getCode()};
}

} // namespace coppice
