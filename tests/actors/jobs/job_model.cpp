#include "tests/actors/jobs/job_model.hpp"

#include <algorithm>
#include <stdexcept>

#include "actors/governance/payload_key.hpp"
#include "actors/jobs/job_keys.hpp"
#include "actors/jobs/retry_policy.hpp"

namespace coppice::testing {

void job_model::set_clock(instant now) {
    if (now_ - now > std::chrono::minutes{1}) forget_meters();
    if (now >= now_ || now_ - now > std::chrono::minutes{1}) now_ = now;
}

job_model::answer job_model::apply(const op& what) {
    const answer given = std::visit([&](const auto& o) { return on(o); }, what);
    for (std::size_t i = 0; i < ended_.size(); ++i) {
        const auto [parent, how] = ended_[i];
        tell_children(parent, how);
    }
    ended_.clear();
    release_callbacks();
    return given;
}

model_job& job_model::known_job(const job_id& id) {
    model_job* j = job(id);
    if (j == nullptr) throw std::logic_error("no such job");
    return *j;
}
model_job* job_model::job(const job_id& id) {
    const auto found = std::ranges::find(jobs_, id, &model_job::id);
    return found == jobs_.end() ? nullptr : &*found;
}
const model_job* job_model::find(const job_id& id) const {
    const auto found = std::ranges::find(jobs_, id, &model_job::id);
    return found == jobs_.end() ? nullptr : &*found;
}
job_model::declared_tenant* job_model::tenant(tenant_id id) {
    const auto found = std::ranges::find(tenants_, id, &declared_tenant::id);
    return found == tenants_.end() ? nullptr : &*found;
}
const job_model::declared_tenant* job_model::tenant(tenant_id id) const {
    const auto found = std::ranges::find(tenants_, id, &declared_tenant::id);
    return found == tenants_.end() ? nullptr : &*found;
}
const job_model::declared_type* job_model::type(type_id id) const {
    const auto found = std::ranges::find(types_, id, &declared_type::id);
    return found == types_.end() ? nullptr : &*found;
}
const job_type_spec& job_model::spec_of(const model_job& j) const {
    const declared_type* y = type(j.type);
    if (y == nullptr) throw std::logic_error("a job of a type that is not declared");
    return y->spec;
}
const tenant_spec& job_model::spec_of_tenant(const model_job& j) const {
    const declared_tenant* t = tenant(j.tenant);
    if (t == nullptr) throw std::logic_error("a job of a tenant that is not declared");
    return t->spec;
}
const job_type_spec* job_model::type_spec(type_id id) const {
    const declared_type* y = type(id);
    return y == nullptr ? nullptr : &y->spec;
}
std::uint32_t job_model::type_version(type_id id) const {
    const declared_type* y = type(id);
    return y == nullptr ? 0 : static_cast<std::uint32_t>(y->version);
}

job_model::answer job_model::on(const tenant_op& o) {
    declared_tenant* known = tenant(o.tenant);
    if (known == nullptr) known = &tenants_.emplace_back(declared_tenant{.id = o.tenant});
    if (known->version >= o.version) return {};
    known->version = o.version;
    known->spec = o.spec;
    return {};
}

job_model::answer job_model::on(const type_op& o) {
    auto known = std::ranges::find(types_, o.type, &declared_type::id);
    if (known == types_.end()) known = types_.insert(types_.end(), declared_type{.id = o.type});
    if (known->version >= o.version) return {};
    if (known->spec.concurrency.by != o.spec.concurrency.by)
        std::erase_if(key_meters_, [&](const auto& each) { return std::get<1>(each.first) == o.type; });
    known->version = o.version;
    known->spec = o.spec;
    return {};
}

job_model::answer job_model::on(const refuse_op& o) {
    if (tenant(o.job.tenant()) == nullptr || type(o.type) == nullptr) return {errc::invalid_argument, false, o.job};
    if (find(o.job) != nullptr) return {errc::already_exists, false, o.job};
    model_job j{.id = o.job, .tenant = o.job.tenant(), .type = o.type, .state = job_state::REJECTED};
    j.submitter = o.submitter;
    j.refused = o.code;
    j.finished = now_;
    jobs_.push_back(j);
    ++evidence_;
    return {o.code, false, o.job};
}

// ---- moves ------------------------------------------------------------------------------------------------------

void job_model::queue(model_job& j) {
    j.state = job_state::QUEUED;
    if (j.ready == never) j.ready = now_;
    const milliseconds bound = spec_of(j).timeouts.queued;
    j.queued_due = bound.count() > 0 ? now_ + bound : never;
}

void job_model::end(const job_id& id, job_state how) {
    model_job& j = known_job(id);
    j.state = how;
    j.finished = now_;
    j.due = j.queued_due = j.job_due = never;
    j.checkpoint.clear();
    const auto& unique = spec_of(j).unique;
    const bool answers_on = unique && std::ranges::find(unique->states, how) != unique->states.end();
    if (!answers_on) answer_no_longer(j);
    callbacks_.erase(id);
    ++evidence_;
    ended_.emplace_back(id, how);
}

void job_model::tell_children(const job_id& parent, job_state how) {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        model_job& child = jobs_[i];
        if (child.state != job_state::BLOCKED || !child.pending.contains(parent)) continue;
        if (how != job_state::SUCCEEDED && !child.run_anyway) {
            end(child.id, job_state::CANCELLED);
            continue;
        }
        child.pending.erase(parent);
        if (child.pending.empty()) unblock(child);
    }
}

void job_model::unblock(model_job& j) {
    if (j.due > now_) {
        j.state = job_state::SCHEDULED;
    } else {
        j.due = never;
        queue(j);
    }
}

void job_model::release_callbacks() {
    for (auto each = callbacks_.begin(); each != callbacks_.end();) {
        std::erase_if(each->second, [&](const job_id& id) { return is_terminal(known_job(id).state); });
        if (!each->second.empty()) {
            ++each;
            continue;
        }
        unblock(known_job(each->first));
        each = callbacks_.erase(each);
    }
}

job_model::answer job_model::on(const cancel_op& o) {
    model_job* j = job(o.job);
    if (j == nullptr) return {errc::not_found, false, o.job};
    if (is_terminal(j->state)) return {errc::illegal_transition, false, o.job};
    if (j->state == job_state::RUNNING)
        j->cancel_requested = true;
    else
        end(o.job, job_state::CANCELLED);
    return {errc::ok, false, o.job};
}

void job_model::answer_no_longer(const model_job& j) {
    const auto answering = answering_.find({j.tenant, j.type, j.likeness});
    if (answering != answering_.end() && answering->second == j.id) answering_.erase(answering);
}

// ---- the end of a record ----------------------------------------------------------------------------------------

job_model::answer job_model::on(const delete_op& o) {
    const model_job* j = find(o.job);
    if (j == nullptr) return {errc::not_found, false, o.job};
    if (!is_terminal(j->state)) return {errc::illegal_transition, false, o.job};
    ++evidence_;
    erase(o.job);
    return {errc::ok, false, o.job};
}

job_model::answer job_model::on(const sweep_op& o) {
    std::vector<job_id> over;
    for (const model_job& j : jobs_)
        if (j.tenant == o.tenant && j.id >= o.from && !is_kept(j)) over.push_back(j.id);
    for (const job_id& id : over) erase(id);
    return {};
}

bool job_model::is_kept(const model_job& j) const {
    const keep_spec& keep = spec_of_tenant(j).keep;
    const milliseconds kept = keep.of(j.state);
    if (!is_terminal(j.state) || kept.count() == 0 || j.finished + kept > now_) return true;
    // A job that is made now is not as old as that, whatever its id says; so a sweep does not look at it.
    if (from_us(static_cast<std::int64_t>(j.id.time_ms()) * 1000) + keep.shortest() > now_) return true;
    return std::ranges::any_of(keys_, [&](const known_key& k) { return k.job == j.id; });
}

void job_model::erase(const job_id& id) {
    for (const known_key& k : keys_)
        if (k.job == id) std::erase(key_timers_, timer{k.expires, 4, id});
    std::erase_if(keys_, [&](const known_key& k) { return k.job == id; });
    std::erase_if(answering_, [&](const auto& each) { return each.second == id; });
    graphs_.erase(id);
    std::erase_if(jobs_, [&](const model_job& j) { return j.id == id; });
}

job_model::answer job_model::on(const start_op& o) {
    model_job* j = job(o.job);
    if (j == nullptr) return {errc::not_found, false, {}};
    if (j->state != job_state::QUEUED) return {errc::illegal_transition, false, {}};
    j->state = job_state::RUNNING;
    j->queued_due = never;
    j->worker = o.worker;
    j->slots = spec_of(*j).slots;
    ++j->attempt;
    const start_rate& of_tenant = spec_of_tenant(*j).rate;
    if (of_tenant.bounds()) tenant_meters_[j->tenant].started(of_tenant, now_);
    const concurrency_spec& by_key = spec_of(*j).concurrency;
    if (!by_key.by.empty() && by_key.rate.bounds())
        key_meters_[{j->tenant, j->type, key_of(*j)}].started(by_key.rate, now_);
    return {};
}

job_model::answer job_model::on(const report_op& o) {
    model_job* j = job(o.job);
    if (j == nullptr || j->state != job_state::RUNNING || j->attempt != o.attempt)
        return {errc::stale_attempt, false, o.job};
    if (!o.checkpoint.empty()) j->checkpoint = o.checkpoint;
    switch (o.what) {
    case outcome::NONE:
        break;
    case outcome::SUCCEEDED:
        if (o.result.size() > spec_of(*j).result_bytes_max) {
            fail(o.job, true, -1);
        } else {
            j->result = o.result;
            end(o.job, job_state::SUCCEEDED);
        }
        break;
    case outcome::CANCELLED:
        if (j->cancel_requested)
            end(o.job, job_state::CANCELLED);
        else
            fail(o.job, o.permanent, o.retry_after_ms);
        break;
    case outcome::LOST:
        ++j->lost;
        if (j->cancel_requested)
            end(o.job, job_state::CANCELLED);
        else if (j->lost > 20)
            end(o.job, job_state::FAILED);
        else
            put_off(*j, lost_pause(j->lost));
        break;
    case outcome::FAILED:
    case outcome::TIMED_OUT:
        fail(o.job, o.permanent, o.retry_after_ms);
    }
    return {errc::ok, false, o.job};
}

void job_model::fail(const job_id& id, bool permanent, std::int64_t retry_after_ms) {
    model_job& j = known_job(id);
    const job_type_spec& spec = spec_of(j);
    ++j.tries;
    if (j.cancel_requested) return end(id, job_state::CANCELLED);
    if (permanent || j.tries >= spec.attempts_max) return end(id, job_state::FAILED);
    milliseconds delay =
        full_jitter(backoff_ceiling(spec.retry.base, spec.retry.max, j.tries), attempt_random(id, j.attempt));
    if (retry_after_ms >= 0) delay = milliseconds{retry_after_ms};
    j.ready = never;
    put_off(j, delay);
}

void job_model::put_off(model_job& j, milliseconds delay) {
    if (delay.count() == 0) return queue(j);
    j.ready = never;
    j.due = now_ + delay;
    j.state = job_state::SCHEDULED;
}

job_model::answer job_model::on(const adopt_op& o) {
    model_job* j = job(o.job);
    if (j == nullptr || j->state != job_state::RUNNING || j->attempt != o.attempt)
        return {errc::stale_attempt, false, o.job};
    j->worker = o.worker;
    return {errc::ok, false, o.job};
}

// ---- time -------------------------------------------------------------------------------------------------------

std::vector<job_model::timer> job_model::timers_due(instant by) const {
    std::vector<timer> due;
    for (const model_job& j : jobs_) {
        if (j.state == job_state::SCHEDULED && j.due <= by) due.push_back({j.due, 0, j.id});
        if (j.queued_due != never && j.queued_due <= by) due.push_back({j.queued_due, 1, j.id});
        if (j.job_due != never && j.job_due <= by) due.push_back({j.job_due, 2, j.id});
    }
    for (const timer& t : key_timers_)
        if (t.due <= by) due.push_back(t);
    std::ranges::sort(due);
    return due;
}

job_model::answer job_model::on(const tick_op& o) {
    for (std::uint32_t fired = 0; fired < o.most; ++fired) {
        const auto due = timers_due(now_);
        if (due.empty()) break;
        fire(due.front());
    }
    return {};
}

void job_model::fire(const timer& t) {
    if (find(t.job) == nullptr) { // it was erased; what it had to forget is forgotten
        std::erase(key_timers_, t);
        return;
    }
    model_job& j = known_job(t.job);
    switch (t.kind) {
    case 0:
        j.ready = j.due = never;
        return queue(j);
    case 1:
    case 2:
        return end(t.job, job_state::FAILED);
    case 4:
        std::erase_if(keys_, [&](const known_key& k) { return k.job == t.job; });
        std::erase(key_timers_, t);
        return;
    default:
        std::erase_if(answering_, [&](const auto& each) { return each.second == t.job; });
        std::erase(key_timers_, t);
    }
}

// ---- starts -----------------------------------------------------------------------------------------------------

std::size_t job_model::running_of(tenant_id t) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [&](const model_job& j) { return j.tenant == t && j.state == job_state::RUNNING; }));
}
std::size_t job_model::running_of(type_id y) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [&](const model_job& j) { return j.type == y && j.state == job_state::RUNNING; }));
}
std::size_t job_model::used(worker_id w) const {
    std::size_t slots = 0;
    for (const model_job& j : jobs_)
        if (j.worker == w && j.state == job_state::RUNNING) slots += j.slots;
    return slots;
}

bool job_model::can_run(const model_worker& w, const model_job& j) const {
    return !w.draining && used(w.id) + spec_of(j).slots <= w.slots && w.types.contains(spec_of(j).name);
}

std::string job_model::judge_kept() const {
    if (kept_ == worker_id{}) return {};
    const auto w = std::ranges::find(workers_, kept_, &model_worker::id);
    if (w == workers_.end() || w->draining) return "a worker is kept that can start nothing";
    const bool is_for_some = std::ranges::any_of(jobs_, [&](const model_job& j) {
        return j.state == job_state::QUEUED && w->types.contains(spec_of(j).name) && spec_of(j).slots <= w->slots &&
               used(kept_) + spec_of(j).slots > w->slots;
    });
    return is_for_some ? "" : "a worker is kept, and nothing waits that needs more than it has free";
}

bool job_model::may_start(const model_job& j, worker_id kept) const {
    if (j.state != job_state::QUEUED) return false;
    const std::uint32_t of_tenant = spec_of_tenant(j).running_max;
    const std::uint32_t of_type = spec_of(j).running_max;
    if (of_tenant > 0 && running_of(j.tenant) >= of_tenant) return false;
    if (of_type > 0 && running_of(j.type) >= of_type) return false;
    if (!gates_let(j)) return false;
    return std::ranges::any_of(workers_, [&](const model_worker& w) { return w.id != kept && can_run(w, j); });
}

std::uint64_t job_model::key_of(const model_job& j) const {
    return stored_payload_key(j.payload, spec_of(j).concurrency.by);
}

bool job_model::gates_let(const model_job& j) const {
    const tenant_spec& t = spec_of_tenant(j);
    const job_type_spec& y = spec_of(j);
    if (t.paused || y.paused) return false;
    const auto meter = tenant_meters_.find(j.tenant);
    if (meter != tenant_meters_.end() && meter->second.free_at(t.rate) > now_) return false;
    if (y.concurrency.by.empty()) return true;
    const std::uint64_t key = key_of(j);
    const auto key_meter = key_meters_.find({j.tenant, j.type, key});
    if (key_meter != key_meters_.end() && key_meter->second.free_at(y.concurrency.rate) > now_) return false;
    const auto running = std::ranges::count_if(jobs_, [&](const model_job& other) {
        return other.state == job_state::RUNNING && other.tenant == j.tenant && other.type == j.type &&
               key_of(other) == key;
    });
    return y.concurrency.running_max == 0 || running < y.concurrency.running_max;
}

// A step of priority is worth five minutes of waiting.
bool job_model::before(const model_job& a, const model_job& b) const {
    const auto rank = [](const model_job& j) { return to_ms(j.ready + j.priority * std::chrono::minutes{5}); };
    return std::pair{rank(a), a.id} < std::pair{rank(b), b.id};
}

std::string job_model::judge_start(const start_effect& start) {
    model_job* j = job(start.work.ref.job);
    if (j == nullptr) return "no such job";
    // The worker may have been taken before one was kept, which was said of the end of the plan.
    const auto w = std::ranges::find(workers_, start.worker, &model_worker::id);
    if (!may_start(*j, worker_id{})) return "this job may not start now";
    if (w == workers_.end() || !can_run(*w, *j)) return "this worker can't run it";
    for (const model_job& other : jobs_)
        if (other.tenant == j->tenant && may_start(other, kept_) && before(other, *j))
            return "job " + to_string(other.id) + " of the same tenant was first";
    on(start_op{j->id, start.worker});
    if (start.work.ref.attempt != j->attempt) return "the wrong attempt number";
    if (start.work.checkpoint != j->checkpoint) return "another checkpoint than its last attempt left";
    return {};
}

job_id job_model::startable() const {
    for (const model_job& j : jobs_)
        if (may_start(j, kept_)) return j.id;
    return {};
}

// ---- workers ----------------------------------------------------------------------------------------------------

void job_model::attach(const model_worker& w) {
    detach(w.id);
    workers_.push_back(w);
}
void job_model::detach(worker_id id) {
    std::erase_if(workers_, [&](const model_worker& w) { return w.id == id; });
}
void job_model::drain(worker_id id) {
    for (model_worker& w : workers_) w.draining = w.draining || w.id == id;
}

} // namespace coppice::testing
