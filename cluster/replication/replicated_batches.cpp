// The transactions of the tables: one at a time, for all shards of the node.
#include <algorithm>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <stdexcept>

#include "actors/journal/batch_rules.hpp"
#include "cluster/replication/digest_tables.hpp"
#include "cluster/replication/replica_wire.hpp"
#include "cluster/replication/replicated_journal.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

// The tables after one more entry, whose writes have this digest.
replica_place next_place(replica_place before, log_position at, std::uint64_t digest, instant time) {
    before.at = at;
    before.digest += digest;
    before.time = time;
    before.installing = false;
    before.found = true;
    return before;
}

kj::ArrayPtr<const capnp::word> words_of(const bytes& flat) {
    return {reinterpret_cast<const capnp::word*>(flat.data()), flat.size() / sizeof(capnp::word)};
}

bytes_view view_of_words(kj::ArrayPtr<const capnp::word> words) {
    const auto raw = words.asBytes();
    return std::as_bytes(std::span{raw.begin(), raw.size()});
}

// What the scheduler decided, as commands: a follower starts the same jobs on the same workers.
kj::Array<capnp::word> starts_entry(std::span<const start_effect> starts) {
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(starts.size()));
    for (unsigned i = 0; i < commands.size(); ++i) {
        auto start = commands[i].initStart();
        write_id(starts[i].work.ref.job, start.initJob());
        start.setWorker(starts[i].worker.value);
    }
    return capnp::messageToFlatArray(message);
}

// As many as one entry may hold; the first in any case.
std::vector<proposal_ptr> take_waiting(std::vector<proposal_ptr>& waiting) {
    std::size_t count = 0, commands = 0, size = 0;
    while (count < waiting.size()) {
        commands += waiting[count]->commands();
        size += waiting[count]->bytes();
        if (count > 0 && (commands > limits::batch_commands_max || size > limits::replica_entry_bytes_max)) break;
        ++count;
    }
    const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<proposal_ptr> taken{std::make_move_iterator(waiting.begin()), std::make_move_iterator(end)};
    waiting.erase(waiting.begin(), end);
    return taken;
}

microseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start);
}

} // namespace

// The machine's memory is a cache of the tables: made anew after what it did was dropped.
void replicated_journal::reload(replica_slot& s) {
    const auto tables = options_.data->begin_read();
    s.machine.load(*tables);
    s.machine.resume_at(s.place.time);
    s.due = next_due(s.machine, *tables, !s.held_back, s.turns);
    s.next.reset();
    s.applied.clear();
    if (s.under_way) s.under_way->out = nullptr;
    s.plan_wanted = true;
}

bool replicated_journal::may_make_entry(const replica_slot& s) const {
    if (s.diverged || s.under_way || s.hand_over_to || !s.replica->may_propose()) return false;
    const bool upkeep = (s.due && *s.due <= options_.clock()) ||
                        s.machine.events() >= options_.events_kept + limits::events_pruned_at_once;
    return !s.waiting.empty() || s.plan_wanted || upkeep || (s.held_back && options_.data->has_room());
}

bool replicated_journal::wants_transaction(const replica_slot& s) const {
    if (s.diverged || s.installing) return false;
    if (s.replica->leads()) return s.replica->cleared() > s.place.at.index || may_make_entry(s);
    return s.apply_due != never && s.apply_due <= now() && s.replica->may_apply() > s.place.at.index;
}

bool replicated_journal::begin_transaction() {
    bool moved = false;
    for (auto& [id, s] : slots_) moved |= take_slice(s);
    if (std::ranges::none_of(slots_, [&](const auto& each) { return wants_transaction(each.second); }))
        return moved;
    const auto started = std::chrono::steady_clock::now();
    open_ = options_.data->begin_write();
    open_since_ = now();
    for (auto& [id, s] : slots_) {
        if (wants_transaction(s)) apply_committed(s);
        if (s.next || !may_make_entry(s)) continue;
        if (!make_entry(s)) { // one proposal was no sound message, and is refused: all over again without it
            drop_transaction();
            return true;
        }
    }
    apply_time_ = since(started);
    const bool wrote = std::ranges::any_of(slots_, [](const auto& each) { return each.second.next.has_value(); });
    if (!wrote) {
        open_.reset(); // there was nothing to start
        return moved;
    }
    drain_all(); // ships what was made
    if (open_) go_on_with_open();
    return true;
}

// Commits as soon as every entry in it is where it must be.
bool replicated_journal::go_on_with_open() {
    const bool waits = std::ranges::any_of(slots_, [](const auto& each) {
        const replica_slot& s = each.second;
        return s.next && s.replica->leads() && s.replica->cleared() < s.next->at.index;
    });
    if (!waits) {
        finish_transaction();
        return true;
    }
    if (now() - open_since_ <= options_.timing.lease) return false;
    drop_transaction();
    return true;
}

void replicated_journal::apply_one(replica_slot& s, const log_entry& entry, batch_output& out) {
    const auto view = read_log_entry(*entry.body);
    replica_place next = s.next.value_or(s.place);
    if (!view || view->at != entry.at || entry.at.index != next.at.index + 1)
        throw std::runtime_error("a committed entry cannot be read");
    digest_tables tables{*open_, options_.layout};
    s.machine.begin_again(tables, view->time, out);
    for (const bytes& commands : view->entries)
        if (!apply_entry(words_of(commands), s.machine))
            throw std::runtime_error("the commands of a committed entry cannot be read");
    s.machine.finish();
    s.next = next_place(next, entry.at, tables.digest(), view->time);
}

// A follower's committed entries, or a primary's that are cleared: the tail that it took over, and its own when the
// transaction that made it was dropped.
void replicated_journal::apply_committed(replica_slot& s) {
    const std::uint64_t from = s.place.at.index + 1;
    const std::uint64_t to = s.replica->leads() ? s.replica->cleared() : s.replica->may_apply();
    if (to < from) return;
    const auto most = std::min<std::uint64_t>(to - from + 1, limits::replica_apply_entries_max);
    for (const log_entry& entry : entries_from(s, from, most)) {
        if (s.under_way && s.under_way->entry.at == entry.at) {
            s.under_way->out = std::make_shared<batch_output>();
            apply_one(s, entry, *s.under_way->out);
        } else {
            s.applied.push_back(std::make_shared<batch_output>());
            apply_one(s, entry, *s.applied.back());
        }
    }
    if (!s.next) throw std::runtime_error("a committed entry is not in the log");
    s.due = next_due(s.machine, *open_, !s.held_back, s.turns);
    write_place(*open_, s.id, *s.next);
}

bool replicated_journal::make_entry(replica_slot& s) {
    const bool room = options_.data->has_room();
    auto proposals = take_waiting(s.waiting);
    if (!room) refuse_growing(proposals);
    const instant time = options_.clock();
    const std::size_t schedules = s.turns.next(proposals.size(), time, s.machine.schedules().next_due());
    std::ranges::move(upkeep_of(s.machine, s.due, time, options_.events_kept, room ? schedules : 0),
                      std::back_inserter(proposals));
    s.plan_wanted = false;
    s.held_back = !room;
    const auto out = std::make_shared<batch_output>();
    digest_tables tables{*open_, options_.layout};
    s.machine.begin(tables, time, *out);
    for (auto p = proposals.begin(); p != proposals.end(); ++p) {
        if (apply_proposal(**p, s.machine, *out)) continue;
        (*p)->refuse({errc::message_invalid, "an entry that is no sound message: a bug, please report it", 0});
        proposals.erase(p);
        s.waiting.insert(s.waiting.begin(), proposals.begin(), proposals.end());
        s.next = s.place; // so that the machine is made anew
        return false;
    }
    if (room) s.machine.plan(options_.starts_per_batch);
    const bool idle = proposals.empty() && out->starts.empty();
    s.machine.finish();
    s.due = next_due(s.machine, *open_, room, s.turns);
    if (!idle) ship(s, std::move(proposals), out, tables.digest());
    return true;
}

void replicated_journal::ship(replica_slot& s, std::vector<proposal_ptr> proposals,
                              std::shared_ptr<batch_output> out, std::uint64_t digest) {
    std::vector<bytes_view> entries;
    for (const proposal_ptr& p : proposals) entries.push_back(view_of_words(p->entry()));
    kj::Array<capnp::word> starts;
    if (!out->starts.empty()) {
        starts = starts_entry(out->starts);
        entries.push_back(view_of_words(starts));
    }
    const log_position at = s.replica->propose();
    log_entry entry = make_log_entry(at, s.machine.now(), entries);
    keep_unlogged(s, entry);
    s.next = next_place(s.place, at, digest, s.machine.now());
    write_place(*open_, s.id, *s.next);
    s.under_way = entry_under_way{std::move(entry), std::move(proposals), std::move(out), now()};
}

void replicated_journal::finish_transaction() {
    const auto started = std::chrono::steady_clock::now();
    const auto done = std::exchange(open_, nullptr)->commit();
    commit_time_ = since(started);
    if (!done) return commit_failed(done.error());
    for (auto& [id, s] : slots_) {
        if (!s.next) continue;
        committed(s);
        for (const auto& out : std::exchange(s.applied, {}))
            if (options_.on_applied) options_.on_applied(s.id, *out);
        if (!s.under_way || !s.under_way->out || s.under_way->entry.at.index > s.place.at.index) continue;
        const entry_under_way over = *std::exchange(s.under_way, std::nullopt);
        s.plan_wanted = s.plan_wanted || over.out->starts_left;
        s.turns.commit_took(now() - over.since);
        if (options_.on_commit)
            options_.on_commit(s.id, {*over.out, over.proposals.size(), over.out->results.size(), apply_time_,
                                      commit_time_, s.machine});
        if (options_.deliver) options_.deliver(s.id, over.out);
        answer_all(over.proposals, *over.out);
    }
}

// A primary that cannot write stops, so that another takes over; a follower's entries stay in its log until there
// is room.
void replicated_journal::commit_failed(const failure& why) {
    std::vector<replica_slot*> leading;
    for (auto& [id, s] : slots_)
        if (s.next && s.replica->leads()) leading.push_back(&s);
    drop_transaction();
    for (replica_slot* s : leading) {
        fault(*s, "its tables cannot be written: " + to_string(why));
        if (s->under_way)
            for (const proposal_ptr& p : s->under_way->proposals)
                p->refuse({errc::unknown_outcome, "it could not be committed: " + to_string(why), 0});
        s->under_way.reset();
        if (s->replica->config().in_sync.size() > 1)
            s->replica->resign(now());
        else
            open(*s, true);
    }
    for (auto& [id, s] : slots_)
        if (!s.replica->leads() && s.apply_due != never) s.apply_due = now() + options_.timing.lease;
}

void replicated_journal::drop_transaction() {
    open_.reset();
    for (auto& [id, s] : slots_)
        if (s.next) reload(s);
}

} // namespace coppice
