#include "tests/simulation/checkers.hpp"

#include "actors/jobs/job_keys.hpp"
#include "actors/jobs/job_state.hpp"
#include "persistence/record.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

constexpr std::size_t looked_at_by_a_read = 5;

std::string name_of(node_id node) { return "node " + std::to_string(node.value); }

std::string words_of(const std::vector<job_state>& states) {
    std::string words;
    for (const job_state each : states) words += " " + std::string{to_string(each)};
    return words;
}

} // namespace

std::string violations::text() const {
    std::string text;
    for (const std::string& each : all_) text += "\n  " + each;
    return text;
}

void history_checker::read(node_id by, read_tables& tables) {
    ++reads_;
    std::size_t looked = 0;
    for (auto job = acknowledged_.rbegin(); job != acknowledged_.rend() && looked < looked_at_by_a_read;
         ++job, ++looked)
        if (!read_job(tables, *job))
            found_.add(name_of(by) + " reads without " + to_string(*job) + ", which was acknowledged");
}

void history_checker::require_all(node_id at, read_tables& tables) {
    std::size_t missing = 0;
    for (const job_id& job : acknowledged_) missing += read_job(tables, job) ? 0 : 1;
    if (missing > 0) found_.add(name_of(at) + " has lost " + std::to_string(missing) + " acknowledged jobs");
}

void check_one_leads(sim_cluster& c, shard_id shard, violations& found) {
    std::string leading;
    int count = 0;
    for (auto& [id, n] : c.nodes())
        if (n.journal && !n.frozen && n.journal->may_read(shard)) ++count, leading += " " + name_of(id);
    if (count > 1)
        found.add("several may acknowledge and read in shard " + std::to_string(shard.value) + ":" + leading);
}

void digest_checker::look(sim_cluster& c) {
    for (auto& [id, n] : c.nodes()) {
        if (!n.journal) continue;
        for (const auto& [shard, slot] : n.journal->slots()) {
            if (!slot.place.found || slot.installing || slot.place.at.index == 0) continue;
            const auto [at, is_new] = digests_.try_emplace(
                {shard, slot.place.at.index, slot.place.chain, slot.place.layout}, slot.place.digest);
            if (!is_new && at->second != slot.place.digest)
                found_.add(name_of(id) + " has other tables at index " + std::to_string(slot.place.at.index) +
                           " of shard " + std::to_string(shard.value));
        }
    }
}

void effect_checker::committed(const batch_output& output) {
    for (const start_effect& start : output.starts)
        if (!started_.insert(start.work.ref).second)
            found_.add("attempt " + std::to_string(start.work.ref.attempt) + " of " +
                       to_string(start.work.ref.job) + " was started twice");
    for (const change_effect& change : output.changes)
        if (is_terminal(change.to) && !ended_.insert(change.job).second)
            found_.add(to_string(change.job) + " ended twice");
}

void check_same_tables(sim_cluster& c, violations& found) {
    const auto& first = c.nodes().begin()->second;
    for (auto& [id, n] : c.nodes())
        if (const auto other = difference(*first.data->begin_read(), *n.data->begin_read()); !other.empty())
            found.add(name_of(id) + " has other tables than the first: " + other);
}

void check_events(read_tables& tables, shard_id shard, violations& found) {
    std::map<job_id, std::vector<job_state>> feeds;
    record_reader<rec::EventRow> reader;
    std::uint64_t last = 0;
    const row_key prefix = keys::shard(shard);
    for (auto r = tables.seek(table::events, prefix); r && has_prefix(r->key, prefix);
         r = tables.next(table::events)) {
        key_reader k{r->key};
        k.u16();
        const std::uint64_t sequence = k.u64();
        if (last > 0 && sequence != last + 1)
            found.add("event " + std::to_string(sequence) + " follows " + std::to_string(last));
        last = sequence;
        const auto row = reader.read(r->value);
        feeds[job_id::from_halves(row.getJob().getHigh(), row.getJob().getLow())].push_back(row.getState());
    }
    for (const auto& [job, states] : feeds) {
        const auto ends = std::ranges::count_if(states, [](job_state s) { return is_terminal(s); });
        if (ends > 1 || (ends == 1 && !is_terminal(states.back())))
            found.add("the events of " + to_string(job) + " are out of order:" + words_of(states));
    }
}

} // namespace coppice::testing
