// Part of job_model: what is taken, what is refused, and what is changed while it waits.
#include <algorithm>

#include "tests/actors/jobs/job_model.hpp"

namespace coppice::testing {

job_model::answer job_model::on(const submit_op& o) {
    const declared_tenant* t = tenant(o.job.tenant());
    if (t == nullptr) return {errc::unknown_tenant, false, o.job};
    if (const auto known = answer_of_key(o)) return *known;
    if (const auto no = judge_type(o)) return {*no, false, o.job};
    if (const model_job* known = find(o.job)) {
        const bool same = known->type == o.type && known->submitter == o.submitter &&
                          (known->edited || known->payload == o.payload);
        if (!same) return {errc::already_exists, false, o.job};
        return {known->refused, known->refused == errc::ok, o.job};
    }
    if (const auto known = answer_of_redrive(o)) return *known;
    if (const model_job* known = like(t->id, o.type, o.likeness)) return {errc::ok, true, known->id};
    if (refused_by_entitlement(o)) return {errc::type_not_allowed, false, o.job};
    if (refused_by_full_queue(t->id, 1)) return {errc::queue_full, false, o.job};
    if (const errc no = judge_values(o, {}); no != errc::ok) return {no, false, o.job};
    take(o);
    remember_key(o);
    if (model_job* old = job(o.redrives)) old->redriven_as = o.job;
    return {errc::ok, false, o.job};
}

// Why no new job is made for one that is to be done again, or which was made before.
std::optional<job_model::answer> job_model::answer_of_redrive(const submit_op& o) const {
    if (o.redrives.is_nil()) return std::nullopt;
    const model_job* old = find(o.redrives);
    if (old == nullptr || old->tenant != o.job.tenant()) return answer{errc::not_found, false, o.job};
    if (!old->redriven_as.is_nil()) return answer{errc::ok, true, old->redriven_as};
    if (old->state == job_state::FAILED || old->state == job_state::CANCELLED) return std::nullopt;
    return answer{errc::illegal_transition, false, o.job};
}

job_model::answer job_model::on(const graph_op& o) {
    if (o.jobs.empty()) return {errc::invalid_argument, false, {}};
    const submit_op& first = o.jobs.front();
    const declared_tenant* t = tenant(first.job.tenant());
    if (t == nullptr) return {errc::unknown_tenant, false, first.job};
    if (const auto known = answer_of_key(first)) return *known;
    if (const auto known = graphs_.find(first.job); known != graphs_.end()) {
        std::vector<job_id> ids;
        for (const submit_op& s : o.jobs) ids.push_back(s.job);
        return {ids == known->second ? errc::ok : errc::already_exists, ids == known->second, first.job};
    }
    if (const model_job* known = find(first.job))
        return {known->refused == errc::ok ? errc::already_exists : known->refused, false, first.job};
    if (o.has_callback && (o.jobs.size() < 2 || !o.jobs.back().after.empty()))
        return {errc::invalid_argument, false, {}};
    std::set<job_id> before;
    std::set<std::pair<type_id, std::uint64_t>> likes;
    for (const submit_op& s : o.jobs) {
        if (s.job.tenant() != t->id || before.contains(s.job)) return {errc::invalid_argument, false, {}};
        if (const auto no = judge_type(s)) return {*no, false, {}};
        if (const model_job* known = find(s.job))
            return {known->refused == errc::ok ? errc::already_exists : known->refused, false, s.job};
        if (refused_by_entitlement(s)) return {errc::type_not_allowed, false, s.job};
        if (!s.redrives.is_nil()) return {errc::invalid_argument, false, {}};
        if (like(t->id, s.type, s.likeness) != nullptr) return {errc::conflict, false, {}};
        if (const errc no = judge_values(s, before); no != errc::ok) return {no, false, {}};
        if (!before.empty() && !s.key.empty()) return {errc::invalid_argument, false, {}};
        if (s.likeness != 0 && !likes.emplace(s.type, s.likeness).second) return {errc::conflict, false, {}};
        before.insert(s.job);
    }
    if (refused_by_full_queue(t->id, o.jobs.size())) return {errc::queue_full, false, {}};
    for (const submit_op& s : o.jobs) {
        const bool as_callback = o.has_callback && &s == &o.jobs.back();
        take(s, as_callback);
        if (as_callback) callbacks_[s.job] = {graphs_[first.job].begin(), graphs_[first.job].end()};
        graphs_[first.job].push_back(s.job);
    }
    remember_key(first);
    return {errc::ok, false, first.job};
}

job_model::answer job_model::on(const edit_op& o) {
    model_job* j = job(o.job);
    if (j == nullptr) return {errc::not_found, false, o.job};
    if (!is_waiting(j->state)) return {errc::illegal_transition, false, o.job};
    if (o.priority > 5 || (o.priority == 0 && !o.payload)) return {errc::invalid_argument, false, o.job};
    if (o.payload && o.version != type_version(j->type)) return {errc::unavailable, false, o.job};
    if (const model_job* other = o.payload ? like(j->tenant, j->type, o.likeness) : nullptr; other && other != j)
        return {errc::conflict, false, o.job};
    ++evidence_;
    j->edited = true;
    if (o.priority != 0) j->priority = o.priority;
    if (!o.payload) return {errc::ok, false, o.job};
    answer_no_longer(*j);
    j->payload = *o.payload;
    j->likeness = o.likeness;
    if (o.likeness != 0) answering_[{j->tenant, j->type, o.likeness}] = j->id;
    return {errc::ok, false, o.job};
}

std::optional<job_model::answer> job_model::answer_of_key(const submit_op& o) const {
    for (const known_key& k : keys_) {
        if (o.key.empty() || k.tenant != o.job.tenant() || k.text != o.key || k.expires <= now_) continue;
        if (k.body != o.body) return answer{errc::conflict, false, o.job};
        return answer{errc::ok, true, k.job};
    }
    return std::nullopt;
}

std::optional<errc> job_model::judge_type(const submit_op& o) const {
    const declared_type* y = type(o.type);
    if (y == nullptr) return errc::unknown_type;
    return y->version == o.version ? std::nullopt : std::optional{errc::unavailable};
}

const model_job* job_model::like(tenant_id t, type_id y, std::uint64_t likeness) const {
    const auto& unique = type(y)->spec.unique;
    const auto known = answering_.find({t, y, likeness});
    if (!unique || likeness == 0 || known == answering_.end()) return nullptr;
    const model_job* j = find(known->second);
    const bool in_time = unique->period.count() == 0 || j->submitted + unique->period > now_;
    return in_time && std::ranges::find(unique->states, j->state) != unique->states.end() ? j : nullptr;
}

bool job_model::refused_by_entitlement(const submit_op& o) {
    const auto& allowed = tenant(o.job.tenant())->spec.types;
    if (std::ranges::find(allowed, "*") != allowed.end() ||
        std::ranges::find(allowed, type(o.type)->spec.name) != allowed.end())
        return false;
    model_job j{.id = o.job, .tenant = o.job.tenant(), .type = o.type, .state = job_state::REJECTED};
    j.submitter = o.submitter; // a refused job's payload is not kept
    j.refused = errc::type_not_allowed;
    j.finished = now_;
    jobs_.push_back(j);
    ++evidence_;
    return true;
}

bool job_model::refused_by_full_queue(tenant_id id, std::size_t more) {
    declared_tenant& t = *tenant(id);
    const auto waiting = std::ranges::count_if(
        jobs_, [&](const model_job& each) { return each.tenant == id && is_waiting(each.state); });
    if (static_cast<std::size_t>(waiting) + more <= t.spec.queued_max) return false;
    if (!t.refusing) ++evidence_;
    t.refusing = true;
    return true;
}

errc job_model::judge_values(const submit_op& o, const std::set<job_id>& before) const {
    for (const job_id& parent : o.after) {
        const model_job* p = find(parent);
        if (!before.contains(parent) && (p == nullptr || p->tenant != o.job.tenant()))
            return errc::dependency_unknown;
    }
    return o.priority > 5 ? errc::invalid_argument : errc::ok;
}

void job_model::take(const submit_op& o, bool as_callback) {
    declared_tenant& t = *tenant(o.job.tenant());
    const job_type_spec& spec = type(o.type)->spec;
    t.refusing = false;
    model_job j{.id = o.job, .tenant = t.id, .type = o.type, .priority = o.priority == 0 ? 3 : o.priority};
    j.payload = o.payload;
    j.submitter = o.submitter;
    j.likeness = o.likeness;
    j.submitted = now_;
    j.run_anyway = o.run_anyway;
    bool hopeless = false;
    for (const job_id& parent : o.after) {
        const job_state state = find(parent)->state;
        if (state == job_state::SUCCEEDED || (is_terminal(state) && o.run_anyway)) continue;
        hopeless = hopeless || is_terminal(state);
        j.pending.insert(parent);
    }
    if (o.likeness != 0) {
        answering_[{t.id, o.type, o.likeness}] = o.job;
        if (spec.unique && spec.unique->period.count() > 0)
            key_timers_.push_back({now_ + spec.unique->period, 5, o.job});
    }
    if (spec.timeouts.job.count() > 0) j.job_due = now_ + spec.timeouts.job;
    if (from_us(o.not_before_us) > now_) j.due = from_us(o.not_before_us);
    const bool blocked = as_callback || !j.pending.empty();
    j.state = blocked ? job_state::BLOCKED : j.due != never ? job_state::SCHEDULED : job_state::QUEUED;
    jobs_.push_back(j);
    if (j.state == job_state::QUEUED) queue(jobs_.back());
    if (hopeless) end(o.job, job_state::CANCELLED);
}

void job_model::remember_key(const submit_op& o) {
    if (o.key.empty()) return;
    const tenant_id t = o.job.tenant();
    std::erase_if(keys_, [&](const known_key& k) { return k.tenant == t && k.text == o.key; });
    keys_.push_back({t, o.key, o.job, o.body, now_ + std::chrono::hours{24}});
    key_timers_.push_back({now_ + std::chrono::hours{24}, 4, o.job});
}

} // namespace coppice::testing
