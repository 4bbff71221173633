// Admission: what a submission meets, in order. A known idempotency key answers first; then the declarations (type
// known and current), the entitlements (type allowed, queue depth), the dependencies. A refusal by entitlement or
// governance is kept as a job in state `rejected`, with evidence.
#include <algorithm>

#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

bool has_labels_within_bounds(cmd::Submit::Reader s) {
    const auto labels = s.getLabels();
    for (const auto label : labels)
        if (label.size() > limits::name_size_max + 1 + limits::label_value_size_max) return false;
    return labels.size() <= limits::job_labels_max;
}

constexpr std::uint32_t queue_full_retry_ms = 1000;

int priority_of(cmd::Submit::Reader s) {
    return s.getPriority() == 0 ? limits::priority_default : static_cast<int>(s.getPriority());
}

} // namespace

void shard_machine::submit(cmd::Submit::Reader s, command_result& result) {
    result.job = read_id(s.getJob());
    tenant_entry* t = tenant_of(s, result);
    if (t == nullptr || answer_known_key(s, t->id, result)) return;
    type_entry* y = current_type(s, result);
    if (y == nullptr) return;
    if (const auto stored = t_->get(table::jobs, keys::job(result.job))) return answer_same_job(s, *stored, result);
    if (s.hasRedrives() && !may_redrive(s, result)) return;
    if (const auto like = like_job(s, *y)) {
        result.job = *like;
        result.existing = true;
        return;
    }
    if (const auto why = refusal(s, *t, *y))
        return write_rejected(result.job, *t, *y, view(s.getSubmitter()), *why, result);
    if (t->waiting >= t->spec.queued_max) return refuse_full(s, *t, *y, result);
    if (!is_sound(s, {}, result)) return;
    book_.accepted(*t);
    write_job(s, *t, *y);
    remember_key(s, t->id);
    if (s.hasRedrives()) mark_redriven(s);
}

// Null, with the answer, when it is not one of this shard.
tenant_entry* shard_machine::tenant_of(cmd::Submit::Reader s, command_result& result) {
    const job_id id = read_id(s.getJob());
    tenant_entry* t = book_.tenant(id.tenant());
    if (t == nullptr || id.shard() != shard_) {
        set_answer(result, errc::unknown_tenant, "no such tenant here");
        return nullptr;
    }
    if (s.getIdempotencyKey().size() <= limits::idempotency_key_size_max) return t;
    set_answer(result, errc::invalid_argument, "an idempotency key has at most 255 bytes");
    return nullptr;
}

// Null, with the answer, when there is none, or not in the version that the edge went by.
type_entry* shard_machine::current_type(cmd::Submit::Reader s, command_result& result) {
    type_entry* y = book_.type(type_id{s.getType()});
    if (y == nullptr) {
        set_answer(result, errc::unknown_type, "no such job type here");
    } else if (y->version != s.getTypeVersion()) {
        result.retry_after_ms = 1;
        set_answer(result, errc::unavailable,
                   "job type \"" + y->spec.name + "\" was changed meanwhile; submit again");
        return nullptr;
    }
    return y;
}

// Whether its values are within their bounds and its parents are there; otherwise with the answer. `before`: jobs
// that are made together with it, before it.
bool shard_machine::is_sound(cmd::Submit::Reader s, const ids& before, command_result& result) {
    if (auto wrong = wrong_parent(s, before); !wrong.empty()) {
        set_answer(result, errc::dependency_unknown, std::move(wrong));
        return false;
    }
    if (s.getPriority() <= limits::priority_last && s.getPayload().size() <= limits::payload_size_max &&
        s.getTraceparent().size() <= limits::traceparent_size && has_labels_within_bounds(s))
        return true;
    set_answer(result, errc::invalid_argument,
               "priority is 1 (first) to 5 (last), the payload at most 256 KiB, traceparent as W3C says, labels at "
               "most 16");
    return false;
}

// A submission that was committed before, and whose answer was lost on the way: it has the same id, made before it
// was sent the first time. Anything else under that id is another job.
void shard_machine::answer_same_job(cmd::Submit::Reader s, bytes_view stored, command_result& result) {
    const auto row = read_job_.read(stored);
    const bool same =
        row.getType() == s.getType() && view(row.getSubmitter()) == view(s.getSubmitter()) &&
        (row.getEdits() > 0 ||
         bytes_of(table::payloads, result.job, row.getPayloadApart(), row.getPayload()) ==
             std::string_view{reinterpret_cast<const char*>(s.getPayload().begin()), s.getPayload().size()});
    if (!same) return set_answer(result, errc::already_exists, "job id is taken");
    if (row.getState() == job_state::REJECTED)
        return set_answer(result, errc_from_number(row.getErrorCode()), std::string{view(row.getErrorMessage())});
    result.existing = true;
}

// Whether the key was used before: then `result` is the first answer, or conflict.
bool shard_machine::answer_known_key(cmd::Submit::Reader s, tenant_id tenant, command_result& result) {
    if (s.getIdempotencyKey().size() == 0) return false;
    const auto stored = t_->get(table::idempotency, keys::idempotency(shard_, tenant, view(s.getIdempotencyKey())));
    if (!stored) return false;
    const auto known = read_key_.read(*stored);
    if (from_us(known.getExpiresUs()) <= now_) return false;
    if (known.getBodyHigh() != s.getBodyHigh() || known.getBodyLow() != s.getBodyLow()) {
        set_answer(result, errc::conflict,
                   "key \"" + std::string{view(s.getIdempotencyKey())} + "\" was used for job " +
                       to_string(read_id(known.getJob())) + " with another body");
        return true;
    }
    result.job = read_id(known.getJob());
    result.existing = true;
    return true;
}

std::optional<shard_machine::ending> shard_machine::refusal(cmd::Submit::Reader, tenant_entry& t, type_entry& y) {
    if (!t.allows(y.spec.name)) return ending{errc::type_not_allowed, "job type not in the tenant's `types`"};
    return std::nullopt;
}

// Names the first parent that can't be waited for, or nothing.
std::string shard_machine::wrong_parent(cmd::Submit::Reader s, const ids& before) {
    const auto after = s.getAfter();
    if (after.size() > limits::parents_max)
        return "`after` names " + std::to_string(after.size()) + " jobs; at most " +
               std::to_string(limits::parents_max);
    const job_id self = read_id(s.getJob());
    for (const auto each : after) {
        const job_id parent = read_id(each);
        if (before.contains(parent)) continue;
        if (parent.tenant() != self.tenant() || parent.shard() != shard_ || parent == self)
            return "`after` names " + to_string(parent) + ", which is not known";
        const auto stored = t_->get(table::jobs, keys::job(parent));
        if (!stored) return "`after` names " + to_string(parent) + ", which is not known";
        const auto row = read_job_.read(*stored);
        if (!is_terminal(row.getState()) && row.getChildren() >= limits::children_max)
            return "job " + to_string(parent) + " has as many jobs waiting for it as it may have";
    }
    return {};
}

// A full queue is back-pressure: the answer says when to come again. Evidence is given once for each time that the
// tenant becomes full, so that a client that hammers can't fill the disk.
void shard_machine::refuse_full(cmd::Submit::Reader s, tenant_entry& t, type_entry& y, command_result& result) {
    set_answer(result, errc::queue_full,
               "tenant \"" + t.spec.name + "\" has " + std::to_string(t.waiting) +
                   " waiting jobs; its queued_max is " + std::to_string(t.spec.queued_max));
    result.retry_after_ms = queue_full_retry_ms;
    if (t.refusing) return;
    book_.refused(t, y);
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::TENANT_REFUSED);
    evidence.setJob(s.getJob());
    evidence.setType(s.getType());
    evidence.setTypeVersion(s.getTypeVersion());
    evidence.setState(job_state::REJECTED);
    evidence.setCode(static_cast<std::uint16_t>(errc::queue_full));
    evidence.setSubmitter(s.getSubmitter());
    append_evidence(evidence);
}

void shard_machine::write_rejected(const job_id& id, tenant_entry& t, type_entry& y, std::string_view submitter,
                                   const ending& why, command_result& result) {
    set_answer(result, why.code, std::string{why.detail});
    cell c{id, &t, &y, new_job_.init()};
    c.row.setType(y.id.value);
    c.row.setTypeVersion(static_cast<std::uint32_t>(y.version));
    c.row.setState(job_state::REJECTED);
    c.row.setPriority(limits::priority_default);
    c.row.setSubmittedUs(to_us(now_));
    c.row.setFinishedUs(to_us(now_));
    c.row.setSubmitter(std::string{submitter}.c_str());
    c.row.setRevision(1);
    c.row.setEvidence(evidence_next_);
    set_error(c, why);
    auto evidence = evidence_row_.init();
    evidence.setKind(rec::EvidenceRow::Kind::JOB_REFUSED);
    evidence.getJob().setHigh(id.high());
    evidence.getJob().setLow(id.low());
    evidence.setType(y.id.value);
    evidence.setTypeVersion(static_cast<std::uint32_t>(y.version));
    evidence.setState(job_state::REJECTED);
    evidence.setCode(static_cast<std::uint16_t>(why.code));
    evidence.setDetail(c.row.getErrorMessage().asReader());
    evidence.setSubmitter(c.row.getSubmitter().asReader());
    append_evidence(evidence);
    append_event(c, job_state::REJECTED);
    new_job_.put(*t_, table::jobs, keys::job(id));
    book_.moved(t, y, std::nullopt, job_state::REJECTED);
    out_->changes.push_back({id, y.id, std::nullopt, job_state::REJECTED, 1});
}

void shard_machine::refuse(cmd::Refuse::Reader r, command_result& result) {
    result.job = read_id(r.getJob());
    tenant_entry* t = book_.tenant(result.job.tenant());
    type_entry* y = book_.type(type_id{r.getType()});
    if (t == nullptr || y == nullptr || result.job.shard() != shard_)
        return set_answer(result, errc::invalid_argument, "refusal for an unknown tenant or type");
    if (errc_from_number(r.getCode()) == errc::ok)
        return set_answer(result, errc::invalid_argument, "refusal without a reason");
    if (t_->get(table::jobs, keys::job(result.job)))
        return set_answer(result, errc::already_exists, "job id is taken");
    write_rejected(result.job, *t, *y, view(r.getSubmitter()), {errc_from_number(r.getCode()), view(r.getDetail())},
                   result);
}

void shard_machine::store_payload(cell& c, capnp::Data::Reader payload) {
    if (c.row.getPayloadApart()) t_->erase(table::payloads, keys::job(c.id));
    const bool apart = payload.size() > limits::payload_inline_max;
    c.row.setPayloadApart(apart);
    if (apart) t_->put(table::payloads, keys::job(c.id), std::as_bytes(std::span{payload.begin(), payload.size()}));
    if (apart || payload.size() == 0)
        c.row.disownPayload();
    else
        c.row.setPayload(payload);
}

void shard_machine::write_job(cmd::Submit::Reader s, tenant_entry& t, type_entry& y, const job_id& graph,
                              graph_part part, std::optional<std::uint32_t> children) {
    cell c{read_id(s.getJob()), &t, &y, new_job_.init()};
    c.row.setType(y.id.value);
    c.row.setTypeVersion(s.getTypeVersion());
    c.row.setPriority(static_cast<std::uint8_t>(priority_of(s)));
    c.row.setSubmittedUs(to_us(now_));
    c.row.setRevision(1);
    c.row.setLimitKey(s.getLimitKey());
    c.row.setUniqueHigh(s.getUniqueHigh());
    c.row.setUniqueLow(s.getUniqueLow());
    c.row.setRunAnyway(s.getRunAnyway());
    c.row.setSchedule(s.getSchedule());
    if (!graph.is_nil()) write_id(graph, c.row.initGraph());
    if (s.hasRedrives()) c.row.setRedrives(s.getRedrives());
    if (s.getSubmitter().size() > 0) c.row.setSubmitter(s.getSubmitter());
    if (s.getIdempotencyKey().size() > 0) c.row.setIdempotencyKey(s.getIdempotencyKey());
    if (s.getTraceparent().size() > 0) c.row.setTraceparent(s.getTraceparent());
    if (s.hasLabels()) c.row.setLabels(s.getLabels());
    store_payload(c, s.getPayload());
    c.row.setMember(part == graph_part::counted_job);
    c.row.setCallback(part == graph_part::callback);
    if (const milliseconds bound = y.spec.timeouts.job; bound.count() > 0) {
        const instant due = now_ + bound;
        c.row.setJobDueUs(to_us(due));
        t_->put(table::timers, keys::timer(due, keys::timer_kind::job_timeout, c.id), {});
    }
    remember_likeness(c);
    c.row.setChildren(children.value_or(0));
    std::optional<std::pair<job_id, job_state>> ended_parent;
    if (children)
        link_new_parents(s, c);
    else
        ended_parent = link_parents(s, c);
    if (part == graph_part::callback) c.row.setParentsPending(1); // its batch, as if that were a job
    const auto furthest = to_us(now_ + std::chrono::duration_cast<microseconds>(limits::delay_max));
    const std::int64_t due = std::min(s.getNotBeforeUs(), furthest);
    job_state state = job_state::QUEUED;
    if (due > to_us(now_)) {
        c.row.setDueUs(due);
        state = job_state::SCHEDULED;
    }
    if (c.row.getParentsPending() > 0) state = job_state::BLOCKED;
    c.row.setState(state);
    book_.moved(t, y, std::nullopt, state);
    if (state == job_state::QUEUED) enter_queue(c);
    if (state == job_state::SCHEDULED)
        t_->put(table::timers, keys::timer(from_us(due), keys::timer_kind::ready, c.id), {});
    if (state == job_state::QUEUED) refresh_activity(t.id);
    out_->changes.push_back({c.id, y.id, std::nullopt, state, 1});
    new_job_.put(*t_, table::jobs, keys::job(c.id));
    if (ended_parent) parent_ended(c.id, ended_parent->first, ended_parent->second);
}

// Ties the job to the parents that have not ended; gives a parent that ended without success, if there is one.
std::optional<std::pair<job_id, job_state>> shard_machine::link_parents(cmd::Submit::Reader s, cell& c) {
    const auto after = s.getAfter();
    if (after.size() == 0) return std::nullopt;
    c.row.setAfter(after);
    std::optional<std::pair<job_id, job_state>> ended_otherwise;
    std::uint32_t pending = 0;
    for (const auto each : after) {
        const job_id parent = read_id(each);
        cell p;
        if (!open(parent, p)) continue;
        const job_state state = p.row.getState();
        if (state == job_state::SUCCEEDED || (is_terminal(state) && s.getRunAnyway())) continue;
        if (is_terminal(state)) ended_otherwise = {parent, state};
        const row_key link = keys::dependent(parent, c.id);
        if (t_->get(table::dependents, link)) continue; // named twice
        ++pending;
        if (is_terminal(state)) continue;
        t_->put(table::dependents, link, {});
        p.row.setChildren(p.row.getChildren() + 1);
        save(p);
    }
    c.row.setParentsPending(pending);
    return ended_otherwise;
}

// The same where all of them are new, like the job, and know of it already.
void shard_machine::link_new_parents(cmd::Submit::Reader s, cell& c) {
    const auto parents = distinct_parents(s);
    if (parents.empty()) return;
    c.row.setAfter(s.getAfter());
    for (const job_id& parent : parents) t_->put(table::dependents, keys::dependent(parent, c.id), {});
    c.row.setParentsPending(static_cast<std::uint32_t>(parents.size()));
}

std::vector<job_id> shard_machine::distinct_parents(cmd::Submit::Reader s) {
    std::vector<job_id> parents;
    for (const auto each : s.getAfter()) parents.push_back(read_id(each));
    if (parents.size() < 2) return parents;
    std::ranges::sort(parents);
    parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
    return parents;
}

void shard_machine::remember_key(cmd::Submit::Reader s, tenant_id tenant) {
    if (s.getIdempotencyKey().size() == 0) return;
    const instant expires = now_ + std::chrono::duration_cast<microseconds>(limits::idempotency_kept);
    auto r = key_row_.init();
    r.setJob(s.getJob());
    r.setBodyHigh(s.getBodyHigh());
    r.setBodyLow(s.getBodyLow());
    r.setExpiresUs(to_us(expires));
    key_row_.put(*t_, table::idempotency, keys::idempotency(shard_, tenant, view(s.getIdempotencyKey())));
    t_->put(table::timers, keys::timer(expires, keys::timer_kind::forget_idempotency, read_id(s.getJob())), {});
}

} // namespace coppice
