// The journal of a node in a cluster, as an actor: it takes what journal_actor takes, and what comes from the peers
// and the control store. See replicated_journal.hpp for what it does with it. Spawn it detached: it waits for the
// disk.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/supervision/actor_tree.hpp"
#include "cluster/replication/replica_board.hpp"
#include "cluster/replication/replicated_journal.hpp"

namespace coppice {

// A message of a peer's replicas. `hold` keeps its share of the peer's window.
struct replica_frame {
    node_id from;
    std::shared_ptr<const bytes> body;
    std::shared_ptr<const void> hold;
};
struct peer_linked {
    node_id node;
    bool up = false;
};
struct config_seen {
    shard_id shard;
    shard_config config;
};
struct config_settled {
    shard_id shard;
    replica_machine::answer how{};
    std::uint64_t asked = 0; // the version that the proposal compared
    std::optional<shard_config> there;
};
// `done` is called, on the journal's thread, as soon as the tables here have come to `index`; with `unavailable`
// when they will not, as this node holds the shard no longer.
struct applied_wanted {
    shard_id shard;
    std::uint64_t index = 0;
    std::function<void(expected<void>)> done;
};
// The node goes: every shard that it leads is handed to another. `done`: how many could not be handed over.
struct leadership_unwanted {
    std::function<void(std::size_t)> done;
};
// What the placement wants of a shard that this node leads: who holds it, or who leads it.
struct replicas_wanted {
    shard_id shard;
    std::vector<node_id> replicas;
};
struct hand_over_wanted {
    shard_id shard;
    node_id to;
};
struct replica_beat {};
// An executor's slots, as the primary of a shard uses them (cluster/routing/slot_exchange.hpp).
struct seen_slots {
    worker_id worker;
    std::uint64_t grant = 0;        // the newest that it has heard of
    std::uint32_t may_use = 0;      // the slots granted, or what runs, if that is more
    std::uint32_t needs = 0;        // work waits for so many slots of this executor at once; 0: none does
    std::uint32_t large_starts = 0; // of jobs that took several slots of it
    bool operator==(const seen_slots&) const = default;
};
struct slots_seen {
    shard_id shard;
    std::vector<seen_slots> seen; // those that are not as when they were told last
};

using replica_journal_handle =
    journal_handle::extend<caf::reacts_to<replica_frame>, caf::reacts_to<peer_linked>, caf::reacts_to<config_seen>,
                           caf::reacts_to<config_settled>, caf::reacts_to<applied_wanted>,
                           caf::reacts_to<leadership_unwanted>, caf::reacts_to<replicas_wanted>,
                           caf::reacts_to<hand_over_wanted>, caf::reacts_to<worker_resized>,
                           // To itself.
                           caf::reacts_to<replica_beat>>;

// This node's replica of a shard has become something else.
struct role_change {
    shard_id shard;
    replica_role role{};
    std::uint64_t epoch = 0;
    node_id leader{};
};

struct replica_journal_options {
    replicated_journal_options journal; // its `deliver` is set by the actor
    std::shared_ptr<replica_board> board;
    std::map<shard_id, shard_handle> shards; // where `committed` goes; their relays
    std::function<void(shard_id, const slot_pool&)> on_workers;
    std::function<void(const role_change&)> on_role;
    // Of the shards led here, when shards share the slots of executors; null: not asked for.
    std::function<void(slots_seen)> on_slots;
    // Sends what waits for the peers' windows; true while some of it still does.
    std::function<bool()> flush_outbox;
    // What the last incarnation of this actor knew of the world, asked when it starts.
    std::function<std::vector<std::pair<shard_id, shard_config>>()> configs;
    std::function<std::vector<node_id>()> links;
};

struct replica_journal_state {
    std::unique_ptr<replicated_journal> journal;
    std::multimap<std::pair<shard_id, std::uint64_t>, std::function<void(expected<void>)>> readers;
    std::map<std::pair<shard_id, worker_id>, seen_slots> told; // of slots
    instant slots_told_at{}, all_slots_told_at{};
    bool slots_due = false; // something happened since
    instant wake_at = never;
    std::size_t gathered = 0; // messages since the last pump
    tree_handle card;
};

replica_journal_handle::behavior_type
replica_journal_actor(replica_journal_handle::stateful_pointer<replica_journal_state> self, tree_handle card,
                      std::shared_ptr<const replica_journal_options> options);

// The steady clock, as the replicas count.
instant steady_now();

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::replica_frame> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::peer_linked> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::config_seen> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::config_settled> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::applied_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::leadership_unwanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::replicas_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::hand_over_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::slots_seen> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::replica_beat> : std::true_type {};
} // namespace caf
