// The journal of a node in a cluster: what group_commit is for one shard alone, this is for all shards of a node,
// as primary of some and follower of others.
//
// Intuition: execute, ship, commit. A primary applies a batch, and plans its starts, in a transaction of the
// tables, and leaves that open; it sends what it did, as commands, to the followers, who write it to their logs;
// when all that count have it on disk, the transaction is committed, and only then is anybody told. So tables, a
// primary's too, hold nothing that is not committed: whoever reads them needs no look at what is under way, and a
// primary that loses its place drops the transaction and has nothing to take back. While one batch is under way the
// next gathers.
//
// Followers apply what is committed from their logs, several entries in one commit. The log is a store of its own:
// a node appends what other primaries send while its own transaction waits for those very nodes.
//
// When one shard's followers keep an open transaction waiting for longer than a lease, it is dropped, and the
// shards whose entries are cleared apply them anew, from the entries: one shard's trouble is not another's (rule
// 5).
//
// Synchronous, without actors, one thread; replica_journal_actor calls it in the process, the simulation in tests.
#pragma once

#include <functional>
#include <span>

#include "actors/journal/group_commit.hpp"
#include "cluster/replication/replica_slot.hpp"
#include "cluster/replication/row_layout.hpp"
#include "cluster/replication/shard_log.hpp"

namespace coppice {

struct replicated_journal_options {
    store* data = nullptr; // the tables of all shards; outlives the journal, as does `log`
    store* log = nullptr;
    node_id self{};
    replica_timing timing;
    std::vector<shard_id> shards;                    // of the cluster; this node may hold any of them
    std::function<instant()> clock = wall_clock_now; // what entries are stamped with
    std::function<instant()> steady;                 // never steps; what leases are measured by
    // To another node. False: not sent (no link, or its window is full); what matters is sent again.
    enum class channel : std::uint8_t { control, bulk };
    std::function<bool(node_id, channel, bytes)> send;
    // Compare-and-swap in the control store; answered by config_answered.
    std::function<void(shard_id, const shard_config&)> propose_config;
    std::function<void(shard_id, const commit_report&)> on_commit; // on the primary; must not block
    std::function<void(shard_id, const std::shared_ptr<const batch_output>&)> deliver; // to the shard's actors
    // A follower's tables, or those that a new primary took over, have come to what this batch did.
    std::function<void(shard_id, const batch_output&)> on_applied;
    std::function<void(shard_id, const replica_machine&)> on_role;
    std::function<void(const std::string&)> on_fault; // something that an operator must know
    std::size_t starts_per_batch = limits::batch_commands_max;
    std::shared_ptr<start_valve> valve; // of all shards that are led here; null: starts are held back by nothing
    std::uint64_t events_kept = limits::events_kept;
    std::uint64_t layout = row_layout(); // of the rows that this node writes
};

class replicated_journal {
  public:
    explicit replicated_journal(replicated_journal_options options);

    // ---- what happens. Call `pump` afterwards, when nothing more waits.
    // Of a shard whose primary this is; refused with not_primary otherwise.
    void propose(const proposal_ptr& p);
    void receive(node_id from, bytes_view frame);
    void configured(shard_id shard, const shard_config& config);
    // `asked`: the version that the proposal compared.
    void config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                         const std::optional<shard_config>& now_there);
    void link_up(node_id node);
    void link_down(node_id node);
    void tick();
    // Carries out all that is ready.
    void pump();
    // When `tick` and `pump` should be called though nothing happened, by the steady clock.
    instant next_wake() const;

    // ---- workers; as shard_machine has them. They change what the primary may start.
    template <class Change>
    void change_workers(shard_id shard, Change&& how) {
        if (auto* s = slot(shard)) {
            how(s->machine);
            s->plan_wanted = true;
        }
    }

    // ---- orders
    // A reader waits for what is committed: apply it now, rather than in a while.
    void hurry(shard_id shard) {
        if (auto* s = slot(shard); s != nullptr && s->apply_due != never) s->apply_due = now();
    }
    // Now or never; false: it cannot be done at the moment.
    bool hand_over(shard_id shard, node_id to);
    // As soon as what is under way is committed; new work waits for it for limits::hand_over_pause, and then goes
    // on here. Nothing, when this node does not lead the shard or `to` is not linked and in sync.
    void want_hand_over(shard_id shard, node_id to);
    void want_replicas(shard_id shard, std::vector<node_id> replicas);

    // ---- looks
    const std::map<shard_id, replica_slot>& slots() const { return slots_; }
    // Whether a read of the shard's tables is linearizable now.
    bool may_read(shard_id shard) const;

  private:
    replica_slot* slot(shard_id shard);
    instant now() const { return options_.steady(); }

    // ---- replicated_journal.cpp
    void open(replica_slot& s, bool held_back);
    bool try_hand_overs();
    bool drain_all();
    bool drain(replica_slot& s);
    void on_role_change(replica_slot& s);
    void stream(replica_slot& s, node_id to, std::uint64_t from);
    std::vector<log_entry> entries_from(const replica_slot& s, std::uint64_t from, std::size_t entries_max);
    void keep_unlogged(replica_slot& s, log_entry entry);
    void write_unlogged(replica_slot& s);
    bool flush_log();
    void fault(const replica_slot& s, const std::string& what) const;
    void refuse_waiting(replica_slot& s, const failure& why);
    bool send(node_id to, const replica_message& message);
    void compare_digest(replica_slot& s, const tables_digest& primary_s);
    replica_place own_chain(replica_place place) const;
    void take_out(replica_slot& s, const std::string& why);

    // ---- replicated_batches.cpp
    bool go_on_with_open();
    bool begin_transaction();
    bool wants_transaction(const replica_slot& s) const;
    bool may_make_entry(const replica_slot& s) const;
    void apply_committed(replica_slot& s);
    bool make_entry(replica_slot& s);
    void ship(replica_slot& s, std::vector<proposal_ptr> proposals, std::shared_ptr<batch_output> out,
              std::uint64_t digest);
    void apply_one(replica_slot& s, const log_entry& entry, batch_output& out);
    void finish_transaction();
    void commit_failed(const failure& why);
    void committed(replica_slot& s);
    void drop_transaction();
    void reload(replica_slot& s);

    // ---- snapshot_transfer.cpp
    void begin_snapshot(replica_slot& s, node_id to);
    void send_slice(replica_slot& s, node_id to, snapshot_out& out);
    void on_slice(replica_slot& s, node_id from, const slice_message& m);
    void on_slice_ack(replica_slot& s, node_id from, const slice_ack_message& m);
    bool take_slice(replica_slot& s);
    void tick_snapshots(replica_slot& s);
    bool begin_with_nothing(replica_slot& s);
    void await_erasure(replica_slot& s, const failure& why);
    expected<void> erase_rows(shard_id shard);

    replicated_journal_options options_;
    shard_log log_;
    std::map<shard_id, replica_slot> slots_;
    std::unique_ptr<write_transaction> open_; // of the tables; waits for followers
    instant open_since_ = never;
    struct log_mark {
        replica_slot* of;
        std::uint64_t index; // of the newest entry that was appended; 0: some were taken away
    };
    std::vector<log_mark> log_changes_; // since the last flush; what does not reach the disk did not happen
    std::set<node_id> linked_;
    microseconds apply_time_{}, commit_time_{};
};

} // namespace coppice
