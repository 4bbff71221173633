// Batches: a graph may have a callback, a job that starts when all its others have ended, however they did. How
// many have not is one number in a row of its own, counted down in the very commit in which a job ends: so nothing
// can be lost between the two, and ten thousand jobs need no ten thousand names in the callback's row.
#include <map>

#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

void shard_machine::open_batch(const job_id& graph, const job_id& callback, std::uint32_t pending) {
    auto row = batch_row_.init();
    write_id(callback, row.initCallback());
    row.setPending(pending);
    batch_row_.put(*t_, table::batches, keys::job(graph));
}

// After every command: those of its ends that a callback waits for.
void shard_machine::resolve_batches() {
    if (ended_members_.empty()) return;
    std::map<job_id, std::uint32_t> ended;
    for (const job_id& graph : ended_members_) ++ended[graph];
    ended_members_.clear();
    for (const auto& [graph, count] : ended) members_ended(graph, count);
}

void shard_machine::members_ended(const job_id& graph, std::uint32_t count) {
    const auto stored = t_->get(table::batches, keys::job(graph));
    if (!stored) return; // the callback ended before them
    const auto row = read_batch_.read(*stored);
    const job_id callback = read_id(row.getCallback());
    const std::uint32_t pending = row.getPending();
    if (count < pending) return open_batch(graph, callback, pending - count);
    t_->erase(table::batches, keys::job(graph));
    cell c;
    if (!open(callback, c) || c.row.getState() != job_state::BLOCKED) return;
    unblock(c);
    save(c);
}

} // namespace coppice
