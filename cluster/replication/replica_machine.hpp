// One replica of a shard, as a pure machine: PacificA (Lin et al., MSR-TR-2008-25), with the control store as its
// configuration manager. No I/O, no clock: messages, finished writes, answers of the control store and the time
// come in; sends, appends and proposals of configurations go out, gathered in `replica_effects` until the caller
// takes them.
//
// Intuition: one decides, all of the set hold. The primary orders the entries and commits one when every replica in
// `in_sync` has it on disk. So every one of them holds every committed entry, and any may take over; who is slow is
// taken out of the set, by compare-and-swap, before a commit goes on without it.
//
// Words: *last*: the newest entry of this replica's log. *match*: up to where a follower's log is on disk and known
// to be the primary's. *cleared*: up to where every follower that counts has it; the primary may commit it.
// *committed*: it did. A follower *counts* from the moment its admission is proposed to the moment its removal is
// decided.
//
// Invariants, and why each holds:
//  1. Every replica in `in_sync` has every committed entry on disk. An entry is cleared when all that count have
//  it, and
//     who counts includes the set at any time: an admission counts before it is proposed, and is proposed when the
//     learner's match has reached what is cleared; a removal counts on until the control store has decided it.
//  2. At most one primary an epoch. An epoch begins with a successful compare-and-swap that names its primary, and
//  only
//     the process that proposed it leads in it (`led_epoch_`); one that starts again, and finds itself named,
//     proposes the next epoch.
//  3. An acknowledged entry survives a change of primary. It was on every in-sync disk (1), the new primary is one
//  of
//     them, and it commits the tail it holds before it takes anything new.
//  4. Logs agree up to `match`. A prepare names the position before its entries; a follower that does not hold that
//  very
//     position says so and appends nothing, and what it holds beyond a conflict is cut off. It acknowledges only up
//     to what has been verified in the primary's epoch (`verified_`), not up to what it happens to hold.
//  5. Nothing committed is cut off: a cut below `applied_` is a broken invariant and throws.
//  6. A read that the primary allows sees every acknowledged entry of the shard. The primary reads only while each
//     in-sync secondary has promised it the lease: from the time the prepare was *sent*, by the primary's clock,
//     until `lease` later; a secondary that has proposed to take over promises none. It takes over only `grace`
//     after it *heard* one, by its own clock; grace > lease, by more than two clocks drift apart in that time.
//     A takeover of which it is not known whether it was decided may be decided for as long as the version it
//     compares stands. Its secondary promises again when it hears its primary again (else nobody reads while the
//     control store is away), and if it turns out to have won, it leads only `grace` after its last promise.
//     Writes need no lease: (1) holds whatever the clocks do.
//     A primary that hands over reads nothing from then on; who is asked promises nothing, and leads at once. When
//     nobody took over, the old one goes on in its epoch, and reads again when each of the set has promised anew:
//     who has, holds the mark that it began again with, and takes no notice of a hand-over from before it.
//  7. What was proposed and may have happened goes on to count until the version has moved: no later answer about
//  the
//     same version, but that of a success or of another version, says that the earlier try did not happen.
//
// Called by replicated_journal, on one thread; by the simulation in the same way.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cluster/replication/replica_messages.hpp"
#include "cluster/replication/shard_config.hpp"

namespace coppice {

struct replica_timing {
    milliseconds beat{100};       // between prepares without entries
    milliseconds lease{600};      // how long a secondary's answer lets the primary read
    milliseconds grace{900};      // of silence, before a secondary takes over
    milliseconds down_pause{150}; // after a link broke, before the primary proposes to go on without that secondary
    milliseconds resend{400};     // without progress, before entries are sent again
    std::uint32_t min_in_sync = 2; // fewer in the set: the shard takes no new work; at most the number of replicas
};

enum class replica_role : std::uint8_t {
    out,       // not a replica of this shard
    learner,   // catches up; not in the set
    secondary, // in the set
    candidate, // named primary, but not by this life's own proposal: proposes the next epoch
    settling,  // primary: commits the tail it took over
    serving,   // primary: takes work
};
std::string_view to_string(replica_role role);

struct replica_effects {
    struct outgoing {
        node_id to;
        replica_message message;
    };
    struct stream {
        node_id to;
        std::uint64_t from = 0; // send entries from here on, as many as fit in a message; then call `streamed`
    };
    std::vector<outgoing> sends;
    std::vector<stream> streams;
    std::optional<std::uint64_t> truncate_after; // before `append`: forget what is stored beyond it
    std::vector<log_entry> append;               // store these; then call `stored`
    std::optional<shard_config> propose;         // compare-and-swap on `version`; then call `config_answered`
    std::optional<log_position> mark; // a new primary's first entry, without commands: keep it to be sent
    std::vector<node_id> snapshots;   // these learners are behind the log: send them a snapshot
    bool role_changed = false;
    std::optional<std::uint64_t>
        cannot_follow; // the primary's log and what is applied here disagree: a broken invariant
};

class replica_machine {
  public:
    struct start {
        shard_id shard{};
        node_id self{};
        replica_timing timing;
        log_positions log;         // what is stored; its base is not above `applied`
        std::uint64_t applied = 0; // committed and in the tables
        bool known = false;        // this directory has held the shard before
        bool held_back = false;    // it just failed as primary: let another take over first
    };
    replica_machine(const start& from, instant now);

    // ---- what happens; each call may leave effects
    void configured(const shard_config& config, instant now);
    // conflict: another version is there. refused: it did not happen for another reason, such as that nobody could
    // be asked. unknown: it may have happened, or may yet.
    enum class answer : std::uint8_t { accepted, conflict, refused, unknown };
    // Of a proposal that compared the version `asked`. `now_there`: what the control store holds, when it said so.
    void config_answered(answer how, std::uint64_t asked, const std::optional<shard_config>& now_there,
                         instant now);
    // Slices of snapshots and their answers are the caller's own affair.
    void receive(node_id from, const replica_message& message, instant now);
    void link_up(node_id node, instant now);
    void link_down(node_id node, instant now);
    void tick(instant now);

    // ---- the primary's work
    // Whether an entry may be proposed now: serving, enough in the set, none under way.
    bool may_propose() const {
        return role_ == replica_role::serving && enough_in_sync() && cleared_ == last().index &&
               applied_ == cleared_;
    }
    // The next entry's position; the caller keeps its bytes and commits it once `cleared()` reaches it.
    log_position propose();
    // Committed and applied up to here, in the tables, on disk.
    void committed(std::uint64_t index);
    // Tells the followers now what is committed, rather than at the next beat: nothing new is on its way to them.
    void tell_commit();
    // Entries up to `last` are on their way to `to`, with this stamp.
    void streamed(node_id to, std::uint64_t up_to);
    // The log here does not reach back to what `to` needs.
    void cannot_stream(node_id to);
    void snapshot_sent(node_id to, std::uint64_t index);
    void snapshot_failed(node_id to);
    // What the placement wants; the primary proposes it when it can.
    void want_replicas(std::vector<node_id> replicas) { wanted_replicas_ = std::move(replicas); }
    // Stops at once; `to` takes over. False: not possible now.
    bool hand_over(node_id to, instant now);
    // The primary cannot go on (disk, apply): it stops, and whoever is in the set takes over.
    void resign(instant now);
    void note_digest(const tables_digest& tables) { tables_ = tables; }

    // ---- a follower's work
    // The log is on disk up to here.
    void stored(std::uint64_t index, instant now);
    // The tables have everything up to here.
    void applied(std::uint64_t index) { applied_ = std::max(applied_, index); }
    // A snapshot was installed: the log begins anew after it.
    void installed(log_position at, instant now);

    replica_effects take_effects() { return std::exchange(effects_, {}); }

    // ---- looks
    replica_role role() const { return role_; }
    bool leads() const { return role_ == replica_role::settling || role_ == replica_role::serving; }
    std::uint64_t epoch() const { return epoch_; }
    const shard_config& config() const { return config_; }
    node_id leader() const { return leader_; }
    log_position last() const { return log_.last(); }
    const log_positions& log() const { return log_; }
    std::uint64_t applied() const { return applied_; }
    std::uint64_t cleared() const { return cleared_; }
    // How far a follower may apply: committed, and on its own disk.
    std::uint64_t may_apply() const { return std::min({commit_, stored_, verified_}); }
    // Whether a read of the tables is linearizable now.
    bool may_read(instant now) const { return now < lease_until(); }
    // Until when, by this node's clock, as far as is known; `never` on who does not serve.
    instant lease_until() const;
    bool enough_in_sync() const;
    // A configuration was proposed, and what became of it is not known yet.
    bool awaits_config() const { return proposed_.has_value(); }
    struct follower_view {
        node_id node;
        std::uint64_t match = 0;
        bool counts = false;
        bool in_sync = false;
        bool linked = false;
        bool snapshot = false; // waits for one, or gets one
        bool probing = false;  // where it stands is not known
        std::uint64_t next = 0;
    };
    std::vector<follower_view> followers() const;

  private:
    struct follower {
        std::uint64_t match = 0;
        std::uint64_t next = 1;      // the next entry to send
        instant lease_until = never; // its promise
        instant heard_at = never;    // an answer; at first, when it was taken up
        instant base_asked_at{};     // it was asked for the position that this log begins with
        instant progress_at = never; // match grew, or all was sent and nothing was missing
        bool counts = false;
        bool probing = true; // match is not known: ask before anything is sent
        bool snapshotting = false;
        bool wiped = false; // it lost its disk: nothing is sent to it before it is out of the set
    };

    // ---- replica_machine.cpp
    void follow_config(bool ours);
    void step_down();
    void set_role(replica_role role);
    replica_role role_by_config() const;
    void learn_epoch(std::uint64_t epoch, node_id leader);
    void propose_config(shard_config next);
    void consider_takeover();
    bool config_pending() const { return proposed_.has_value(); }
    bool is_taking_over() const { return proposed_ && proposed_->primary == self_ && !leads(); }
    bool promised_lately() const { return promised_at_ != never && now_ - promised_at_ <= timing_.grace; }
    bool hears_its_primary() const { return now_ - heard_at_ <= timing_.grace && !asked_to_take_over_; }
    void drop_proposal();
    void send(node_id to, decltype(replica_message::what) what);

    // ---- replica_leader.cpp
    void lead();
    void sync_followers();
    void beat();
    void feed(node_id to, follower& f);
    void clear_up();
    void consider_admission();
    void consider_removal();
    void consider_replicas();
    void on_ack(node_id from, const ack_message& m);
    void on_mismatch(node_id from, const mismatch_message& m);
    void probe(node_id to, follower& f);
    bool is_lost(node_id node, const follower& f, instant now) const;
    follower* follower_of(node_id node);

    // ---- replica_follower.cpp
    bool enter_epoch(node_id from, std::uint64_t epoch);
    void on_prepare(node_id from, const prepare_message& m);
    void append_from(const prepare_message& m);
    void cut_after(std::uint64_t index);
    void on_hand_over(const hand_over_message& m);
    void acknowledge();
    bool is_wiped() const;

    shard_id shard_;
    node_id self_;
    replica_timing timing_;
    bool known_;
    instant now_; // of the newest event
    std::set<node_id> linked_;
    std::map<node_id, instant> down_since_;

    replica_role role_ = replica_role::out;
    shard_config config_;
    std::optional<shard_config> proposed_;
    bool in_doubt_ = false;            // `proposed_` may have happened
    instant propose_again_at_ = never; // the last proposal's outcome is not known, or it was refused
    std::uint64_t epoch_ = 0;          // the newest that was heard of
    std::uint64_t led_epoch_ = 0;      // that this life leads, or led last
    node_id leader_{};                 // of epoch_

    log_positions log_;
    std::uint64_t stored_ = 0; // on this replica's own disk
    std::uint64_t applied_ = 0;
    std::uint64_t commit_ = 0;   // as heard from the primary
    std::uint64_t verified_ = 0; // agrees with the log of epoch_'s primary

    // of a follower
    instant heard_at_ = never;
    instant heard_stamp_ = never;
    bool asked_to_take_over_ = false; // its primary stopped for it, at this time
    instant asked_at_ = never;
    instant promised_at_ = never; // the lease, though its own takeover was in doubt
    // of the primary
    std::map<node_id, follower> followers_;
    std::uint64_t cleared_ = 0;
    std::uint64_t mark_ = 0;
    instant beat_at_ = never;
    std::vector<node_id> wanted_replicas_;
    tables_digest tables_;
    instant stopped_at_ = never; // it handed over, or resigned, and still is the one that is named
    bool handed_over_ = false;   // the former: its log and tables were sound

    replica_effects effects_;
};

} // namespace coppice
