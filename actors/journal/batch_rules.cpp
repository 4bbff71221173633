#include "actors/journal/batch_rules.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>

#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t storage_full_retry_ms = 1000;
constexpr microseconds time_of_a_schedule{10}; // to plan it, and to write its job
constexpr std::size_t alone_times = 4;         // as many go into a batch of schedules alone

failure no_room() {
    return {errc::storage_full, "new work is refused until there is space again", storage_full_retry_ms};
}

// An entry with one command of the journal's own, which `fill` makes.
template <class Fill>
proposal_ptr own_proposal(shard_id shard, Fill&& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<cmd::Entry>().initCommands(1)[0]);
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), 1, false, nullptr, shard);
}

// The id of a run: of two runs that are found at the same moment, two ids.
job_id id_of_run(const schedule_entry& e, shard_id shard, instant time, instant now) {
    const std::uint64_t mixed =
        (std::uint64_t{e.id.value} << 40 ^ static_cast<std::uint64_t>(to_us(time))) * 0x9e3779b97f4a7c15ULL;
    return job_id::make(to_ms(now), shard, e.tenant, mixed >> 26);
}

void write_runs(const schedule_entry& e, shard_id shard, instant now, cmd::RunSchedule::Builder to) {
    const run_plan plan = plan_runs(e.spec, e.id.value, *e.times, from_us(e.next_us), now);
    to.setSchedule(e.id.value);
    to.setExpectedUs(e.next_us);
    to.setMissed(plan.missed);
    to.setNextUs(plan.next == never ? schedule_book::no_more_us : to_us(plan.next));
    auto runs = to.initRuns(static_cast<unsigned>(plan.runs.size()));
    for (unsigned i = 0; i < runs.size(); ++i) {
        runs[i].setTimeUs(to_us(plan.runs[i]));
        write_id(id_of_run(e, shard, plan.runs[i], now), runs[i].initJob());
    }
}

// The schedules whose time has come. New work, so it is refused where there is no room, and found again later.
proposal_ptr runs_of_schedules(shard_id shard, const std::vector<const schedule_entry*>& due, instant now) {
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(due.size()));
    for (unsigned i = 0; i < commands.size(); ++i) write_runs(*due[i], shard, now, commands[i].initRunSchedule());
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), due.size(), true, nullptr, shard);
}

} // namespace

void refuse_growing(std::vector<proposal_ptr>& proposals) {
    std::erase_if(proposals, [](const proposal_ptr& p) {
        if (p->grows()) p->refuse(no_room());
        return p->grows();
    });
}

void refuse_for_room(std::vector<proposal_ptr>& proposals) {
    for (const proposal_ptr& p : proposals) p->refuse(no_room());
    proposals.clear();
}

std::vector<proposal_ptr> upkeep_of(const shard_machine& machine, std::optional<instant> due, instant now,
                                    std::uint64_t events_kept, std::size_t schedules_most) {
    std::vector<proposal_ptr> wanted;
    if (due && *due <= now)
        wanted.push_back(own_proposal(
            machine.shard(), [](cmd::Command::Builder c) { c.initTick().setMost(limits::timers_per_tick_max); }));
    const auto schedules = machine.schedules().due(now, schedules_most);
    if (!schedules.empty()) wanted.push_back(runs_of_schedules(machine.shard(), schedules, now));
    if (const auto sweep = machine.sweeps().due(now))
        wanted.push_back(own_proposal(machine.shard(), [&](cmd::Command::Builder c) {
            auto to = c.initSweep();
            to.setTenant(sweep->tenant.value);
            write_id(sweep->from, to.initFrom());
        }));
    // Not one by one: a seek to the feed's far end a batch is more than a thousand erasures are.
    if (machine.events() >= events_kept + limits::events_pruned_at_once)
        wanted.push_back(own_proposal(machine.shard(), [&](cmd::Command::Builder c) {
            auto prune = c.initPrune();
            prune.setEventsBefore(machine.next_event() - events_kept);
            prune.setMost(limits::events_per_prune_max);
        }));
    return wanted;
}

std::optional<instant> next_due(const shard_machine& machine, read_tables& from, bool room,
                                const schedule_turns& turns) {
    return machine.next_due(from, room, turns.not_before(machine.schedules().next_due()));
}

std::size_t schedule_turns::next(std::size_t waiting, instant now, std::optional<instant> first_due) {
    if (waiting > 0) called_at_ = now;
    if (!first_due || *first_due > now || (waiting == 0 && now < not_before(first_due))) return 0;
    turn_at_ = now;
    if (now - *first_due >= late) return limits::schedules_per_batch_max;
    return waiting > 0 ? fit_ : fit_ * alone_times;
}

instant schedule_turns::not_before(std::optional<instant> first_due) const {
    if (!first_due) return never;
    return std::min({called_at_ + quiet, turn_at_ + patience, *first_due + late});
}

void schedule_turns::commit_took(microseconds time) {
    fit_ = std::clamp(static_cast<std::size_t>(time / 5 / time_of_a_schedule), limits::schedules_per_batch_min,
                      limits::schedules_per_batch_max / alone_times);
}

bool apply_entry(kj::ArrayPtr<const capnp::word> entry, shard_machine& machine) {
    try {
        // The limit counts every look at a field; apply looks at each a handful of times.
        capnp::FlatArrayMessageReader message(entry, {.traversalLimitInWords = entry.size() * 32 + 1024});
        machine.apply(message.getRoot<cmd::Entry>());
    } catch (const kj::Exception&) {
        return false;
    }
    return true;
}

bool apply_proposal(const proposal& p, shard_machine& machine, batch_output& out) {
    const std::size_t before = out.results.size();
    return apply_entry(p.entry(), machine) && out.results.size() - before == p.commands();
}

void answer_all(const std::vector<proposal_ptr>& proposals, batch_output& out) {
    std::span<command_result> rest{out.results};
    for (const proposal_ptr& p : proposals) {
        p->answer(rest.first(p->commands()));
        rest = rest.subspan(p->commands());
    }
}

} // namespace coppice
