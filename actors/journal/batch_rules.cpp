#include "actors/journal/batch_rules.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

namespace coppice {
namespace {

constexpr std::uint32_t storage_full_retry_ms = 1000;

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
                                    std::uint64_t events_kept) {
    std::vector<proposal_ptr> wanted;
    if (due && *due <= now)
        wanted.push_back(own_proposal(
            machine.shard(), [](cmd::Command::Builder c) { c.initTick().setMost(limits::timers_per_tick_max); }));
    // Not one by one: a seek to the feed's far end a batch is more than a thousand erasures are.
    if (machine.events() >= events_kept + limits::events_pruned_at_once)
        wanted.push_back(own_proposal(machine.shard(), [&](cmd::Command::Builder c) {
            auto prune = c.initPrune();
            prune.setEventsBefore(machine.next_event() - events_kept);
            prune.setMost(limits::events_per_prune_max);
        }));
    return wanted;
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
