// Time: rows of `timers` in order of when they are due. A tick fires those that are; a timer whose job has moved on
// changes nothing.
#include <algorithm>

#include "actors/jobs/shard_machine.hpp"

namespace coppice {

void shard_machine::tick(std::uint32_t most) {
    const row_key prefix = keys::shard(shard_);
    for (std::uint32_t fired = 0; fired < most; ++fired) {
        const auto first = t_->seek(table::timers, prefix);
        if (!first || !has_prefix(first->key, prefix)) return;
        key_reader k{first->key};
        k.u16();
        const instant due = from_us(static_cast<std::int64_t>(k.u64()));
        if (due > now_) return;
        const auto kind = static_cast<keys::timer_kind>(k.u8());
        const job_id id = k.id();
        t_->erase(table::timers, keys::timer(due, kind, id));
        fire(kind, id);
        // Kept within a tick's budget: what is left over is due at once, in the next tick.
        if (kind == keys::timer_kind::resolve_children || kind == keys::timer_kind::erase_logs) return;
    }
}

void shard_machine::fire(keys::timer_kind kind, const job_id& id) {
    switch (kind) {
    case keys::timer_kind::ready:
        return fire_ready(id);
    case keys::timer_kind::queued_timeout:
        return fire_timeout(id, job_state::QUEUED,
                            {errc::timeout_queued, "no attempt started within `timeouts.queued`"});
    case keys::timer_kind::job_timeout:
        return fire_job_timeout(id);
    case keys::timer_kind::forget_idempotency:
        return forget_key(id);
    case keys::timer_kind::forget_unique:
        return fire_forget_unique(id);
    case keys::timer_kind::erase_logs:
        return erase_logs(id);
    case keys::timer_kind::resolve_children: {
        const auto stored = t_->get(table::jobs, keys::job(id));
        if (stored) ended_parents_.emplace_back(id, read_job_.read(*stored).getState());
        return;
    }
    }
}

void shard_machine::fire_ready(const job_id& id) {
    cell c;
    if (!open(id, c) || c.row.getState() != job_state::SCHEDULED) return;
    c.row.setReadyUs(0);
    enter(c, job_state::QUEUED);
    save(c);
}

void shard_machine::fire_timeout(const job_id& id, job_state wanted, const ending& e) {
    cell c;
    if (!open(id, c) || c.row.getState() != wanted) return;
    c.row.setQueuedDueUs(0);
    set_error(c, e);
    enter(c, job_state::FAILED);
    save(c);
}

// The whole job took too long: it fails wherever it stands, and an attempt under way is taken away.
void shard_machine::fire_job_timeout(const job_id& id) {
    cell c;
    if (!open(id, c) || is_terminal(c.row.getState())) return;
    const bool running = c.row.getState() == job_state::RUNNING;
    const ending e{errc::timeout_job, "not finished within `timeouts.job`"};
    c.row.setJobDueUs(0);
    if (running)
        record_attempt_end(c, e);
    else
        set_error(c, e);
    enter(c, job_state::FAILED);
    if (running) end_effect_of(c, worker_id{c.row.getWorker()}, c.row.getAttempt(), e.code, true);
    save(c);
}

// `id` is the job that the key made; the row goes unless a later job has the key now.
void shard_machine::forget_key(const job_id& id) {
    const auto stored = t_->get(table::jobs, keys::job(id));
    if (!stored) return;
    const auto job = read_job_.read(*stored);
    const auto text = job.getIdempotencyKey();
    const auto at = keys::idempotency(shard_, id.tenant(), {text.begin(), text.size()});
    const auto known = t_->get(table::idempotency, at);
    if (!known) return;
    const auto of = read_key_.read(*known).getJob();
    if (job_id::from_halves(of.getHigh(), of.getLow()) == id) t_->erase(table::idempotency, at);
}

void shard_machine::prune(cmd::Prune::Reader p) {
    // The newest row stays: it says where the sequence goes on after a restart.
    const std::uint64_t end = std::min(p.getEventsBefore(), event_next_ - 1);
    for (std::uint32_t erased = 0; erased < p.getMost() && event_first_ < end; ++erased)
        t_->erase(table::events, keys::event(shard_, event_first_++));
}

} // namespace coppice
