#include "runtime/client/wire.hpp"

#include <algorithm>

namespace coppice::client {
namespace {

milliseconds ms(std::uint64_t count) {
    // Ten years of milliseconds are enough for anybody, and keep arithmetic on them from overflowing.
    return milliseconds{static_cast<std::int64_t>(std::min<std::uint64_t>(count, 10ULL * 366 * 86'400'000))};
}

} // namespace

failure read_failure(api::Failure::Reader f) {
    if (f.getCode() == 0) return {errc::ok, {}};
    return {errc_from_number(f.getCode()), text_of(f.getDetail()), f.getRetryAfterMs()};
}

expected<void> read(api::Failure::Reader f) {
    if (f.getCode() == 0) return {};
    return tl::unexpected(read_failure(f));
}

void write(api::Failure::Builder to, const failure& f) {
    to.setCode(static_cast<std::uint16_t>(f.code));
    write_text(f.detail, [&](unsigned size) { return to.initDetail(size); });
    to.setRetryAfterMs(f.retry_after_ms);
}

grant_view read(api::Grant::Reader g) {
    return {.subject = text_of(g.getSubject()),
            .role = text_of(g.getRole()),
            .tenant = text_of(g.getTenant()),
            .node_version = text_of(g.getNodeVersion()),
            .may_jobs = g.hasJobs(),
            .may_work = g.hasWorkers(),
            .may_operate = g.hasPlatform()};
}

job_view read(api::JobView::Reader j) {
    job_view v{.id = read(j.getId()),
               .tenant = text_of(j.getTenant()),
               .type = text_of(j.getType()),
               .state = j.getState(),
               .priority = j.getPriority(),
               .attempts = j.getAttempts(),
               .submitted = from_us(j.getSubmittedUs()),
               .started = from_us(j.getStartedUs()),
               .finished = from_us(j.getFinishedUs()),
               .due = from_us(j.getDueUs()),
               .progress = static_cast<double>(j.getProgress()),
               .progress_text = text_of(j.getProgressText()),
               .error = read_failure(j.getError()),
               .error_attempt = j.getErrorAttempt(),
               .result_size = j.getResultSize(),
               .pending_audit = j.getPendingAudit(),
               .revision = j.getRevision(),
               .cancel_requested = j.getCancelRequested(),
               .parents_pending = j.getParentsPending(),
               .after = read_all<job_id>(j.getAfter()),
               .idempotency_key = text_of(j.getIdempotencyKey()),
               .submitter = text_of(j.getSubmitter()),
               .payload = text_of(j.getPayload()),
               .run_anyway = j.getRunAnyway(),
               .graph = read(j.getGraph()),
               .checkpoint_size = j.getCheckpointSize(),
               .schedule = text_of(j.getSchedule()),
               .redrives = read(j.getRedrives()),
               .redriven_as = read(j.getRedrivenAs()),
               .traceparent = text_of(j.getTraceparent()),
               .labels = texts_of(j.getLabels()),
               .edits = j.getEdits(),
               .callback = j.getCallback()};
    for (const auto end : j.getHistory())
        v.history.push_back({end.getAttempt(), errc_from_number(end.getCode()), from_us(end.getStartedUs()),
                             from_us(end.getEndedUs()), text_of(end.getMessage())});
    return v;
}

log_view read(api::LogLine::Reader l) {
    return {l.getAttempt(), l.getSequence(), from_us(l.getAtUs()), static_cast<log_stream>(l.getStream()),
            text_of(l.getText())};
}

event read(api::Event::Reader e) {
    return {e.getSequence(), from_us(e.getAtUs()),         read(e.getJob()), text_of(e.getType()), e.getState(),
            e.getAttempt(),  errc_from_number(e.getCode())};
}

evidence read(api::Evidence::Reader e) {
    const auto kind = static_cast<std::uint16_t>(e.getKind());
    const auto unknown = static_cast<std::uint16_t>(evidence::what::unknown);
    return {.shard = e.getShard(),
            .sequence = e.getSequence(),
            .at = from_us(e.getAtUs()),
            .kind = static_cast<evidence::what>(std::min(kind, unknown)),
            .tenant = text_of(e.getTenant()),
            .job = read(e.getJob()),
            .type = text_of(e.getType()),
            .type_version = e.getTypeVersion(),
            .state = e.getState(),
            .attempt = e.getAttempt(),
            .code = errc_from_number(e.getCode()),
            .by = text_of(e.getBy()),
            .detail = text_of(e.getDetail())};
}

expected<submitted> read(api::Submitted::Reader s) {
    if (auto ok = read(s.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
    return submitted{read(s.getId()), s.getExisting()};
}

change read(api::Change::Reader c) {
    return {text_of(c.getKind()), text_of(c.getName()), static_cast<change_action>(c.getAction()), c.getVersion()};
}

document_error read(api::DocumentError::Reader e) {
    return {text_of(e.getFile()), e.getLine(), e.getColumn(), text_of(e.getPath()), text_of(e.getMessage())};
}

declared_view read(api::DeclaredView::Reader d) {
    return {text_of(d.getKind()), text_of(d.getName()),      d.getVersion(),
            text_of(d.getSpec()), from_us(d.getChangedUs()), text_of(d.getChangedBy())};
}

tree_row read(api::TreeRow::Reader t) {
    return {.path = text_of(t.getPath()),
            .kind = text_of(t.getKind()),
            .state = text_of(t.getState()),
            .mailbox = t.getMailbox(),
            .handled = t.getHandled(),
            .restarts = t.getRestarts(),
            .last_failure = text_of(t.getLastFailure()),
            .age = ms(t.getAgeMs()),
            .memory_bytes = t.getMemoryBytes()};
}

node_view read(api::NodeView::Reader n) {
    node_view v{.node = n.getNode(),
                .name = text_of(n.getName()),
                .state = text_of(n.getState()),
                .zone = text_of(n.getZone()),
                .rpc = text_of(n.getRpc()),
                .peer = text_of(n.getPeer()),
                .leads = n.getLeads(),
                .in_sync = n.getInSync(),
                .holds = n.getHolds(),
                .is_self = n.getIsSelf(),
                .linked = n.getLinked(),
                .applied = n.getApplied()};
    if (n.getSeenMs() >= 0) v.seen = milliseconds{n.getSeenMs()};
    return v;
}

shard_view read(api::ShardView::Reader s) {
    shard_view v{.shard = s.getShard(),
                 .epoch = s.getEpoch(),
                 .primary = s.getPrimary(),
                 .role = text_of(s.getRole()),
                 .applied = s.getApplied(),
                 .lease_valid = s.getLeaseValid()};
    for (const std::uint32_t node : s.getInSync()) v.in_sync.push_back(node);
    for (const std::uint32_t node : s.getReplicas()) v.replicas.push_back(node);
    return v;
}

void write(api::JobSpec::Builder to, const job_spec& spec) {
    write_text(spec.tenant, [&](unsigned size) { return to.initTenant(size); });
    write_text(spec.type, [&](unsigned size) { return to.initType(size); });
    to.setPayload(as_data(spec.payload));
    write_text(spec.idempotency_key, [&](unsigned size) { return to.initIdempotencyKey(size); });
    to.setPriority(static_cast<std::uint8_t>(std::clamp(spec.priority, 0, 255)));
    if (!spec.after.empty()) write_ids(to.initAfter(static_cast<unsigned>(spec.after.size())), spec.after);
    to.setDelayMs(static_cast<std::uint64_t>(std::max<std::int64_t>(0, spec.delay.count())));
    to.setNotBeforeUs(to_us(spec.not_before));
    to.setRunAnyway(spec.run_anyway);
    if (!spec.traceparent.empty()) to.setTraceparent(spec.traceparent.c_str());
    if (!spec.labels.empty()) write_texts(spec.labels, to.initLabels(static_cast<unsigned>(spec.labels.size())));
}

void write(api::LogLine::Builder to, std::uint32_t attempt, const log_line& line) {
    to.setAttempt(attempt);
    to.setSequence(line.sequence);
    to.setAtUs(to_us(line.at));
    to.setStream(static_cast<std::uint8_t>(line.stream));
    write_text(line.text, [&](unsigned size) { return to.initText(size); });
}

void read(api::Assignment::Reader a, assignment& to) {
    to.ref = read(a.getRef());
    to.tenant_number = to.ref.job.tenant();
    to.tenant = view(a.getTenant());
    to.type = view(a.getType());
    to.payload = view(a.getPayload());
    to.parents.clear();
    for (const auto p : a.getParents())
        to.parents.push_back(
            {read(p.getJob()), text_of(p.getType()), text_of(p.getResult()), p.getTruncated(), p.getState()});
    to.checkpoint = view(a.getCheckpoint());
    to.traceparent = view(a.getTraceparent());
    to.slots = std::max<std::uint32_t>(a.getSlots(), 1);
    to.priority = a.getPriority();
    to.attempt_timeout = ms(a.getAttemptTimeoutMs());
    to.heartbeat_timeout = ms(a.getHeartbeatTimeoutMs());
    to.cancel_grace = ms(a.getCancelGraceMs());
    to.result_bytes_max = a.getResultBytesMax();
}

feed_place read(capnp::List<std::uint64_t>::Reader place) {
    feed_place made;
    for (const std::uint64_t sequence : place) made.sequences.push_back(sequence);
    return made;
}

void write(capnp::List<std::uint64_t>::Builder to, const feed_place& place) {
    for (unsigned i = 0; i < to.size(); ++i) to.set(i, place.sequences[i]);
}

bool feed_place::is_behind(const feed_place& other) const {
    for (std::size_t i = 0; i < other.sequences.size(); ++i)
        if ((i < sequences.size() ? sequences[i] : 0) < other.sequences[i]) return true;
    return false;
}

} // namespace coppice::client
