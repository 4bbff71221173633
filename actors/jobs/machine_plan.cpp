// Starts: while a slot is free, the tenant whose turn it is starts the first of its waiting jobs that some worker
// can run. A tenant that can start nothing is passed over until the next plan.
//
// A job of several slots needs them free on one worker at once, which jobs of one slot would never let come to be.
// So the first in turn that finds too few keeps a worker: what comes free there waits for it, and only for it. One
// such job at a time, or a shard could stand still with slots kept for many; nothing of it outlives the plan, for
// the one that waits longest is first in turn in the next plan, too.
#include "actors/jobs/shard_machine.hpp"

namespace coppice {

void shard_machine::plan(std::size_t most) {
    std::vector<fair_share::turn> passed_over;
    std::size_t started = 0;
    std::size_t bytes = 0;
    looks_left_ = limits::key_looks_max;
    pool_.keep_none();
    for (const worker_id each : pool_.take_changed()) gates_.look_again_at(each);
    while (pool_.has_free()) {
        // Those passed over are first in turn order, since nobody's turn moves forward here.
        const auto& turns = share_.turns();
        const auto turn = passed_over.empty() ? turns.begin() : turns.upper_bound(passed_over.back());
        if (turn == turns.end()) break;
        if (started >= most || bytes >= limits::batch_bytes_max) {
            out_->starts_left = true;
            break;
        }
        if (const instant open = valve_ != nullptr ? valve_->free_at(now_) : never; open > now_) {
            gates_.held_until(open);
            break;
        }
        if (!start_next(turn->tenant)) {
            passed_over.push_back(*turn);
            continue;
        }
        if (valve_ != nullptr) valve_->started(now_);
        ++started;
        const assignment& work = out_->starts.back().work;
        bytes += work.payload.size();
        for (const parent_result& p : work.parents) bytes += p.result.size();
    }
    for (const auto& turn : passed_over) share_.passed_over(turn.tenant);
}

bool shard_machine::start_next(tenant_id id) {
    const tenant_entry& t = *book_.tenant(id);
    const auto next = rate_allows(t) ? next_of(t) : std::nullopt;
    if (!next) return false;
    const slot_pool::wish wish{next->first, id, book_.type(next->first)->spec.slots};
    const auto worker = pool_.take(wish, home_of(next->first, next->second));
    if (!worker) return false;
    if (start(next->second, *worker)) return true;
    // A queue row without its job: store_check reports it; here it must not be picked for ever.
    pool_.release(*worker, wish.slots);
    return false;
}

// Where the last job of its key ran, when its type wants the next one there; 0: nowhere.
worker_id shard_machine::home_of(type_id type, const job_id& job) {
    const type_entry& y = *book_.type(type);
    const auto stored =
        y.spec.workers.sticky != stickiness::none ? t_->get(table::jobs, keys::job(job)) : std::nullopt;
    return stored ? homes_.find(job.tenant(), type, key_of(job, y, read_job_.read(*stored))) : worker_id{};
}

// The tenant's first waiting job among the types that some worker could run now and whose own bound allows one
// more. If one before it finds too few slots, a worker is kept for that.
std::optional<std::pair<type_id, job_id>> shard_machine::next_of(const tenant_entry& t) {
    std::optional<std::pair<type_id, key_lanes::place>> best, cramped;
    for (const auto& [type, counts] : t.types) {
        if (counts.in(job_state::QUEUED) == 0) continue;
        const type_entry* y = book_.type(type);
        if (y == nullptr || y->spec.paused || !y->may_run_one_more()) continue;
        const bool has_room = pool_.could_run({type, t.id, y->spec.slots});
        if (!has_room && (y->spec.slots == 1 || pool_.kept() != worker_id{})) continue;
        const auto first = first_of(t, *y);
        auto& foremost = has_room ? best : cramped;
        if (first && (!foremost || *first < foremost->second)) foremost = {type, *first};
    }
    if (cramped && (!best || cramped->second < best->second) &&
        pool_.keep_one_for({cramped->first, t.id, book_.type(cramped->first)->spec.slots}))
        return next_of(t); // without the slots that are kept now
    if (!best) return std::nullopt;
    return std::pair{best->first, best->second.id};
}

std::optional<key_lanes::place> shard_machine::first_of(const tenant_entry& t, const type_entry& y) {
    if (y.keyed()) return first_with_room(t, y);
    const row_key prefix = keys::queue_of(shard_, t.id, y.id);
    const auto head = t_->seek(table::queue, prefix);
    if (!head || !has_prefix(head->key, prefix)) return std::nullopt;
    key_reader k{head->key.subspan(prefix.view().size())};
    const std::uint64_t rank = k.u64();
    return key_lanes::place{rank, k.id()};
}

shard_machine::waiting_work shard_machine::unserved(std::size_t tenants_max) const {
    waiting_work found;
    std::size_t looked_at = 0;
    for (const auto& turn : share_.turns()) {
        if (looked_at++ == tenants_max) break;
        const auto t = book_.tenants().find(turn.tenant);
        if (t == book_.tenants().end() || gates_.free_at(turn.tenant, t->second.spec.rate) > now_) continue;
        for (const auto& [type, counts] : t->second.types) {
            const auto y = book_.types().find(type);
            if (y == book_.types().end() || y->second.spec.paused || !y->second.may_run_one_more()) continue;
            const std::uint32_t slots = y->second.spec.slots;
            const key_lanes* lanes = y->second.keyed() ? gates_.find(turn.tenant, type) : nullptr;
            if (counts.in(job_state::QUEUED) > (lanes != nullptr ? lanes->shut_out() : 0))
                found.push_back({type, turn.tenant, slots});
            if (lanes == nullptr) continue;
            for (const worker_id home : lanes->homes()) found.push_back({type, turn.tenant, slots, home});
        }
    }
    return found;
}

} // namespace coppice
