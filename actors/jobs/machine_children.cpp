// Dependencies: when a job ends, those that wait for it are told. A child starts when all its parents succeeded,
// and is cancelled when one did not, unless it is to run however they end; a cancelled child's own children follow.
// A command tells limits::children_per_step of them; the rest is left to a timer that is due at once, so one end of
// a job with ten thousand children stalls nobody.
#include "actors/jobs/shard_machine.hpp"

namespace coppice {

void shard_machine::resolve_children() {
    std::size_t budget = limits::children_per_step;
    while (!ended_parents_.empty()) {
        const auto [parent, outcome] = ended_parents_.front();
        ended_parents_.pop_front();
        if (!resolve_some(parent, outcome, budget))
            t_->put(table::timers, keys::timer(now_, keys::timer_kind::resolve_children, parent), {});
    }
}

// Whether all children of `parent` were told within the budget.
bool shard_machine::resolve_some(const job_id& parent, job_state outcome, std::size_t& budget) {
    const row_key prefix = keys::dependents_of(parent);
    for (;;) {
        const auto link = t_->seek(table::dependents, prefix);
        if (!link || !has_prefix(link->key, prefix)) return true;
        if (budget == 0) return false;
        --budget;
        key_reader k{link->key.subspan(prefix.view().size())};
        const job_id child = k.id();
        t_->erase(table::dependents, keys::dependent(parent, child));
        parent_ended(child, parent, outcome);
    }
}

void shard_machine::parent_ended(const job_id& child, const job_id& parent, job_state outcome) {
    cell c;
    if (!open(child, c) || c.row.getState() != job_state::BLOCKED) return;
    if (outcome != job_state::SUCCEEDED && !c.row.getRunAnyway()) {
        set_error(c,
                  {errc::dependency_failed, "job " + to_string(parent) + " is " + std::string{to_string(outcome)}});
        enter(c, job_state::CANCELLED);
        return save(c);
    }
    const std::uint32_t pending = c.row.getParentsPending();
    c.row.setParentsPending(pending > 0 ? pending - 1 : 0);
    if (pending <= 1) unblock(c);
    save(c);
}

// Nothing that it depends on is left to wait for.
void shard_machine::unblock(cell& c) {
    c.row.setParentsPending(0);
    const bool later = c.row.getDueUs() > to_us(now_);
    if (!later) c.row.setDueUs(0);
    enter(c, later ? job_state::SCHEDULED : job_state::QUEUED);
}

} // namespace coppice
