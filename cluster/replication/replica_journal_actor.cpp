#include "cluster/replication/replica_journal_actor.hpp"

#include <algorithm>
#include <caf/send.hpp>

namespace coppice {
namespace {

using pointer = replica_journal_handle::stateful_pointer<replica_journal_state>;
using options_ptr = std::shared_ptr<const replica_journal_options>;

expected<void> no_replica_here() {
    return fail(errc::unavailable, "this node holds no replica of the shard; ask another", 100);
}

void answer_readers(replica_journal_state& s) {
    for (auto at = s.readers.begin(); at != s.readers.end();) {
        const auto slot = s.journal->slots().find(at->first.first);
        const bool is_held = slot != s.journal->slots().end() && slot->second.replica->role() != replica_role::out;
        if (is_held && slot->second.place.at.index < at->first.second) {
            ++at;
            continue;
        }
        const auto done = std::move(at->second);
        at = s.readers.erase(at);
        done(is_held ? expected<void>{} : no_replica_here());
    }
}

// The most slots at once that waiting work lacks, and that this executor, all of it, would have; 0: none lacks any.
std::uint32_t needed_of(const shard_machine::waiting_work& work, worker_id id, const slot_pool::worker& w) {
    std::uint32_t most = 0;
    if (w.draining || w.silent) return most;
    for (const slot_pool::wish& each : work)
        if (each.slots > std::max(most, w.free()) && each.slots <= w.total && w.serves(each.tenant) &&
            (each.only == worker_id{} || each.only == id) && std::ranges::find(w.types, each.type) != w.types.end())
            most = each.slots;
    return most;
}

// What became of the slots that this node's shards were granted, and who is short of some. One word in a while, for
// all that happened since.
void tell_slots(replica_journal_state& s, const replica_journal_options& options) {
    const instant now = options.journal.steady();
    s.slots_due = now - s.slots_told_at < limits::slots_said_every;
    if (s.slots_due) return;
    s.slots_told_at = now;
    if (now - s.all_slots_told_at >= limits::slots_said_again) {
        s.told.clear();
        s.all_slots_told_at = now;
    }
    for (const auto& [id, slot] : s.journal->slots()) {
        if (slot.replica->role() != replica_role::serving || slot.machine.pool().workers().empty()) continue;
        const auto work = slot.machine.unserved(limits::slots_tenants_looked_at);
        slots_seen news{id, {}};
        for (const auto& [worker, w] : slot.machine.pool().workers()) {
            const seen_slots seen{worker, w.grant, std::max(w.slots, w.used), needed_of(work, worker, w),
                                  w.large_starts};
            const auto [told, is_new] = s.told.try_emplace({id, worker}, seen);
            if (!is_new && told->second == seen) continue;
            told->second = seen;
            news.seen.push_back(seen);
        }
        if (!news.seen.empty()) options.on_slots(std::move(news));
    }
}

void arrange_beat(pointer self, instant now, bool outbox_waits) {
    replica_journal_state& s = self->state;
    instant next = s.journal->next_wake();
    if (s.slots_due) next = std::min(next, s.slots_told_at + limits::slots_said_every);
    if (outbox_waits) next = std::min(next, now + limits::outbox_pause);
    if (s.wake_at != never && s.wake_at <= next && s.wake_at > now) return;
    s.wake_at = next;
    self->delayed_send(self, std::max(next - now, microseconds{0}), replica_beat{});
}

// Called at the end of every handler: what waits in the mailbox goes into the same batch and the same write of the
// log.
void pump_when_ready(pointer self, const replica_journal_options& options) {
    replica_journal_state& s = self->state;
    if (!self->mailbox().empty() && ++s.gathered < limits::replica_gathered_max) return;
    s.gathered = 0;
    s.journal->pump();
    if (options.board)
        for (const auto& [id, slot] : s.journal->slots()) {
            options.board->publish(id, *slot.replica, options.journal.steady());
            options.board->publish_snapshots(id, slot.snapshots_sent, slot.snapshots_installed);
        }
    if (!s.readers.empty()) answer_readers(s);
    if (options.on_slots) tell_slots(s, options);
    arrange_beat(self, options.journal.steady(), options.flush_outbox && options.flush_outbox());
}

template <class Change>
void change_workers(pointer self, const replica_journal_options& options, shard_id shard, Change&& how) {
    const auto found = self->state.journal->slots().find(shard);
    if (found == self->state.journal->slots().end()) return;
    self->state.journal->change_workers(shard, how);
    if (options.on_workers) options.on_workers(shard, found->second.machine.pool());
}

// To the member of the set that is nearest to having everything.
std::size_t hand_over_all(replicated_journal& journal) {
    std::size_t left = 0;
    for (const auto& [id, slot] : journal.slots()) {
        if (!slot.replica->leads()) continue;
        bool given = false;
        for (const auto& follower : slot.replica->followers())
            if (!given && follower.in_sync && follower.linked) given = journal.hand_over(id, follower.node);
        if (!given) ++left;
    }
    return left;
}

replicated_journal_options with_delivery(pointer self, const replica_journal_options& options) {
    replicated_journal_options made = options.journal;
    made.deliver = [self, shards = options.shards](shard_id shard, const std::shared_ptr<const batch_output>& out) {
        const auto found = shards.find(shard);
        if (found != shards.end() && out->asks_for_something()) self->send(found->second, committed{out});
    };
    // Before anybody is answered: a read that asks afterwards, at any node, must find it.
    made.on_commit = [self, board = options.board, steady = options.journal.steady,
                      on_commit = options.journal.on_commit](shard_id shard, const commit_report& r) {
        if (board) board->publish(shard, *self->state.journal->slots().at(shard).replica, steady());
        if (on_commit) on_commit(shard, r);
    };
    made.on_role = [board = options.board, steady = options.journal.steady,
                    on_role = options.on_role](shard_id shard, const replica_machine& replica) {
        if (board) board->publish(shard, replica, steady());
        if (on_role) on_role({shard, replica.role(), replica.epoch(), replica.leader()});
    };
    return made;
}

} // namespace

instant steady_now() {
    return from_us(
        std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

replica_journal_handle::behavior_type replica_journal_actor(pointer self, tree_handle card, options_ptr options) {
    self->state.card = std::move(card);
    self->state.journal = std::make_unique<replicated_journal>(with_delivery(self, *options));
    if (options->configs)
        for (const auto& [shard, config] : options->configs()) self->state.journal->configured(shard, config);
    if (options->links)
        for (const node_id node : options->links()) self->state.journal->link_up(node);
    self->send(self, replica_beat{});
    const auto ready = [self, options] { pump_when_ready(self, *options); };
    return {
        [self, ready](const propose& message) {
            self->state.journal->propose(message.what);
            ready();
        },
        [self, options, ready](const worker_attached& w) {
            change_workers(self, *options, w.shard, [&](shard_machine& m) {
                m.attach_worker(w.worker, w.types, w.slots, w.tenant, w.labels, w.total);
                m.resize_worker(w.worker, w.slots, w.grant);
            });
            ready();
        },
        [self, options, ready](const worker_draining& w) {
            change_workers(self, *options, w.shard, [&](shard_machine& m) { m.drain_worker(w.worker); });
            ready();
        },
        [self, options, ready](const worker_detached& w) {
            change_workers(self, *options, w.shard, [&](shard_machine& m) { m.detach_worker(w.worker); });
            ready();
        },
        [self, options, ready](const worker_resized& w) {
            change_workers(self, *options, w.shard,
                           [&](shard_machine& m) { m.resize_worker(w.worker, w.slots, w.grant); });
            ready();
        },
        [ready](journal_wake) { ready(); },
        [self, ready](const replica_frame& m) {
            self->state.journal->receive(m.from, *m.body);
            ready();
        },
        [self, ready](const peer_linked& m) {
            if (m.up)
                self->state.journal->link_up(m.node);
            else
                self->state.journal->link_down(m.node);
            ready();
        },
        [self, ready](const config_seen& m) {
            self->state.journal->configured(m.shard, m.config);
            ready();
        },
        [self, ready](const config_settled& m) {
            self->state.journal->config_answered(m.shard, m.how, m.asked, m.there);
            ready();
        },
        [self, ready](const applied_wanted& m) {
            self->state.readers.emplace(std::pair{m.shard, m.index}, m.done);
            self->state.journal->hurry(m.shard);
            ready();
        },
        [self, ready](const leadership_unwanted& m) {
            m.done(hand_over_all(*self->state.journal));
            ready();
        },
        [self, ready](const replicas_wanted& m) {
            self->state.journal->want_replicas(m.shard, m.replicas);
            ready();
        },
        [self, ready](const hand_over_wanted& m) {
            self->state.journal->want_hand_over(m.shard, m.to);
            ready();
        },
        [self, ready](replica_beat) {
            self->state.wake_at = never;
            self->state.journal->tick();
            ready();
        },
    };
}

} // namespace coppice
