// What a repair makes anew from a job's row: the place where it waits or runs, its timers, its bonds to other jobs.
// See machine_repair.cpp.
#include <algorithm>

#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

void shard_machine::restore_places(cell& c) {
    const job_state state = c.row.getState();
    const bool ended = is_terminal(state);
    if (state == job_state::QUEUED)
        ensure(table::queue, keys::queue(c.id, c.type->id, place_of(c).rank), queue_value(c),
               "its place in the queue");
    erase_if(state != job_state::RUNNING, table::running, c.id);
    if (state == job_state::SCHEDULED)
        ensure(table::timers, keys::timer(from_us(c.row.getDueUs()), keys::timer_kind::ready, c.id), {},
               "its ready timer");
    else if (state != job_state::BLOCKED && c.row.getDueUs() != 0) {
        c.row.setDueUs(0);
        repaired("its due time");
    }
    if (ended && (c.row.getQueuedDueUs() != 0 || c.row.getJobDueUs() != 0)) {
        c.row.setQueuedDueUs(0);
        c.row.setJobDueUs(0);
        repaired("its timeouts");
    }
    if (c.row.getQueuedDueUs() != 0)
        ensure(table::timers, keys::timer(from_us(c.row.getQueuedDueUs()), keys::timer_kind::queued_timeout, c.id),
               {}, "the timer of its queued timeout");
    if (c.row.getJobDueUs() != 0)
        ensure(table::timers, keys::timer(from_us(c.row.getJobDueUs()), keys::timer_kind::job_timeout, c.id), {},
               "the timer of its job timeout");
    if (state == job_state::RUNNING) restore_running(c); // last, for it may be in another state then
}

// Without its row nobody watched over the attempt since the machine was made, or another one was watched: it is
// lost.
void shard_machine::restore_running(cell& c) {
    const auto stored = t_->get(table::running, keys::job(c.id));
    const bytes before = stored ? bytes{stored->begin(), stored->end()} : bytes{};
    write_running(c, key_of(c));
    const auto row = t_->get(table::running, keys::job(c.id));
    if (!row || std::ranges::equal(before, *row)) return;
    repaired("its running row");
    const worker_id worker{c.row.getWorker()};
    lose_attempt(c, {errc::worker_lost, "the store had lost who runs it"});
    end_effect_of(c, worker, c.row.getAttempt(), errc::worker_lost, true);
}

void shard_machine::restore_bytes(cell& c) {
    erase_if(!c.row.getPayloadApart(), table::payloads, c.id);
    erase_if(!c.row.getResultApart(), table::results, c.id);
    const bool ended = is_terminal(c.row.getState());
    erase_if(ended, table::checkpoints, c.id);
    const auto checkpoint = t_->get(table::checkpoints, keys::job(c.id));
    const auto size = static_cast<std::uint32_t>(checkpoint ? checkpoint->size() : 0);
    if (c.row.getCheckpointSize() == size) return;
    c.row.setCheckpointSize(size);
    repaired("the size of its checkpoint");
}

// Opens other jobs on its way: no cell outlives it.
void shard_machine::restore_family(const job_id& id) {
    recount_children(id);
    cell c;
    if (!open(id, c)) return;
    const auto row = c.row.asReader();
    if (row.getCallback()) return restore_batch(c);
    if (is_terminal(row.getState())) return;
    std::vector<job_id> parents;
    for (const auto parent : row.getAfter()) parents.push_back(read_id(parent));
    std::ranges::sort(parents); // each once: one that is named twice is waited for once
    parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
    if (row.getState() == job_state::BLOCKED) return restore_parents(id, parents);
    for (const job_id& parent : parents)
        if (t_->erase(table::dependents, keys::dependent(parent, id))) {
            repaired("it waits for no job any more");
            recount_children(parent);
        }
    if (!open(id, c) || c.row.getParentsPending() == 0) return;
    c.row.setParentsPending(0);
    repaired("the number of jobs that it waits for");
    save(c);
}

void shard_machine::recount_children(const job_id& id) {
    std::uint32_t children = 0;
    const row_key prefix = keys::dependents_of(id);
    for (auto r = t_->seek(table::dependents, prefix); r && has_prefix(r->key, prefix);
         r = t_->next(table::dependents))
        ++children;
    cell c;
    if (!open(id, c)) return;
    const bool ended = is_terminal(c.row.getState());
    if (ended && children > 0) {
        ended_parents_.emplace_back(id, c.row.getState());
        repaired("its children told of its end");
    }
    // Of a job that has ended, those that were told are rows no longer.
    if (ended ? children <= c.row.getChildren() : children == c.row.getChildren()) return;
    c.row.setChildren(children);
    repaired("the number of its children");
    save(c);
}

// Of a job that waits for others: those that have not ended know of it, and it knows how many they are.
void shard_machine::restore_parents(const job_id& id, const std::vector<job_id>& parents) {
    std::uint32_t pending = 0;
    std::optional<std::pair<job_id, job_state>> failed;
    for (const job_id& parent : parents) {
        const auto stored = t_->get(table::jobs, keys::job(parent));
        const auto state = stored ? read_job_.read(*stored).getState() : job_state::SUCCEEDED;
        const bool knows = t_->get(table::dependents, keys::dependent(parent, id)).has_value();
        if (knows || (stored && !is_terminal(state))) ++pending;
        if (!knows && is_terminal(state) && state != job_state::SUCCEEDED) failed = {parent, state};
        if (knows || !stored || is_terminal(state)) continue;
        t_->put(table::dependents, keys::dependent(parent, id), {});
        repaired("a job that it waits for knows of it");
        recount_children(parent);
    }
    cell c;
    if (!open(id, c)) return;
    const bool must_not_start = failed && !c.row.getRunAnyway();
    if (!must_not_start && pending == c.row.getParentsPending() && pending > 0) return;
    repaired("the number of jobs that it waits for");
    if (must_not_start) return parent_ended(id, failed->first, failed->second);
    c.row.setParentsPending(pending);
    if (pending == 0) unblock(c);
    save(c);
}

void shard_machine::restore_batch(cell& c) {
    if (c.row.getState() != job_state::BLOCKED) return;
    const job_id graph = read_id(c.row.asReader().getGraph());
    const auto stored = t_->get(table::graphs, keys::job(graph));
    if (!stored) return;
    std::uint32_t open_members = 0;
    record_reader<rec::GraphRow> members;
    for (const auto each : members.read(*stored).getJobs())
        if (const auto member = t_->get(table::jobs, keys::job(read_id(each)))) {
            const auto row = read_job_.read(*member);
            if (row.getMember() && !is_terminal(row.getState())) ++open_members;
        }
    const auto batch = t_->get(table::batches, keys::job(graph));
    if (open_members > 0 && batch && read_batch_.read(*batch).getPending() == open_members &&
        c.row.getParentsPending() == 1)
        return;
    repaired("what its graph's callback waits for");
    c.row.setParentsPending(1);
    if (open_members > 0) {
        open_batch(graph, c.id, open_members);
    } else {
        t_->erase(table::batches, keys::job(graph));
        unblock(c);
    }
    save(c);
}

} // namespace coppice
