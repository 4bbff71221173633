#include "actors/journal/group_commit.hpp"

#include <algorithm>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <stdexcept>
#include <utility>

namespace coppice {
namespace {

constexpr std::uint32_t storage_full_retry_ms = 1000;

const failure no_room{errc::storage_full, "new work is refused until there is space again", storage_full_retry_ms};

void refuse_growing(std::vector<proposal_ptr>& proposals) {
    std::erase_if(proposals, [](const proposal_ptr& p) {
        if (p->grows()) p->refuse(no_room);
        return p->grows();
    });
}

void refuse_all(std::vector<proposal_ptr>& proposals) {
    for (const proposal_ptr& p : proposals) p->refuse(no_room);
    proposals.clear();
}

// An entry with one command of the journal's own, which `fill` makes.
template <class Fill>
proposal_ptr own_proposal(Fill&& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<cmd::Entry>().initCommands(1)[0]);
    return std::make_shared<proposal>(capnp::messageToFlatArray(message), 1, false, nullptr);
}

microseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start);
}

} // namespace

group_commit::group_commit(journal_options options) : options_(std::move(options)), machine_(options_.shard) {
    roll_back();
}

void group_commit::roll_back() {
    const auto tables = options_.data->begin_read();
    machine_.load(*tables);
    due_ = machine_.next_due(*tables);
}

std::optional<instant> group_commit::next_due() { return due_; }

std::vector<proposal_ptr> group_commit::upkeep(instant now) const {
    std::vector<proposal_ptr> wanted;
    if (due_ && *due_ <= now)
        wanted.push_back(
            own_proposal([](cmd::Command::Builder c) { c.initTick().setMost(limits::timers_per_tick_max); }));
    // Not one by one: a seek to the feed's far end a batch is more than a thousand erasures are.
    if (machine_.events() >= options_.events_kept + limits::events_pruned_at_once)
        wanted.push_back(own_proposal([this](cmd::Command::Builder c) {
            auto prune = c.initPrune();
            prune.setEventsBefore(machine_.next_event() - options_.events_kept);
            prune.setMost(limits::events_per_prune_max);
        }));
    return wanted;
}

std::shared_ptr<const batch_output> group_commit::run(std::vector<proposal_ptr> proposals) {
    bool plan = options_.data->has_room();
    held_back_ = !plan;
    if (!plan) refuse_growing(proposals);
    const auto out = std::make_shared<batch_output>();
    bool shed = false; // after the store was full, what grows it was taken out
    for (errc status = apply_all(proposals, plan, *out); status != errc::ok;
         status = apply_all(proposals, plan, *out)) {
        out->clear();
        if (status == errc::not_found) return nullptr; // nothing to do, nothing changed
        if (status == errc::message_invalid) {
            proposals[invalid_]->refuse({status, "an entry that is no sound message: a bug, please report it", 0});
            proposals.erase(proposals.begin() + static_cast<std::ptrdiff_t>(invalid_));
            continue;
        }
        if (status != errc::storage_full)
            throw std::runtime_error("commit failed: " + std::string{to_string(status)});
        if (!std::exchange(shed, true))
            refuse_growing(proposals);
        else
            refuse_all(proposals);
        plan = false;
        held_back_ = true;
        if (proposals.empty()) return nullptr;
    }
    if (options_.on_commit)
        options_.on_commit({*out, proposals.size(), out->results.size(), apply_time_, commit_time_, machine_});
    answer_all(proposals, *out);
    return out;
}

// One transaction. not_found: there was nothing to write.
errc group_commit::apply_all(const std::vector<proposal_ptr>& proposals, bool plan, batch_output& out) {
    const auto started = std::chrono::steady_clock::now();
    const auto transaction = options_.data->begin_write();
    machine_.begin(*transaction, options_.clock(), out);
    for (invalid_ = 0; invalid_ < proposals.size(); ++invalid_) {
        if (apply_entry(*proposals[invalid_], out)) continue;
        transaction->abort();
        roll_back();
        return errc::message_invalid;
    }
    if (plan) machine_.plan(options_.starts_per_batch);
    const bool idle = proposals.empty() && out.starts.empty();
    machine_.finish();
    const auto due = machine_.next_due(*transaction);
    apply_time_ = since(started);
    if (idle) {
        transaction->abort();
        due_ = due;
        return errc::not_found;
    }
    const auto commit_started = std::chrono::steady_clock::now();
    const auto committed = transaction->commit();
    commit_time_ = since(commit_started);
    if (!committed) {
        roll_back();
        return committed.error().code;
    }
    due_ = due;
    return errc::ok;
}

// False: not a sound message; what was applied of it must not be committed.
bool group_commit::apply_entry(const proposal& p, batch_output& out) {
    const std::size_t before = out.results.size();
    try {
        // The limit counts every look at a field; apply looks at each a handful of times.
        capnp::FlatArrayMessageReader message(p.entry(), {.traversalLimitInWords = p.entry().size() * 32 + 1024});
        machine_.apply(message.getRoot<cmd::Entry>());
    } catch (const kj::Exception&) {
        return false;
    }
    return out.results.size() - before == p.commands();
}

void group_commit::answer_all(const std::vector<proposal_ptr>& proposals, batch_output& out) {
    std::span<command_result> rest{out.results};
    for (const proposal_ptr& p : proposals) {
        p->answer(rest.first(p->commands()));
        rest = rest.subspan(p->commands());
    }
}

} // namespace coppice
