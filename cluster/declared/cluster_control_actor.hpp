// The control plane of a cluster as an actor: what is declared lies in the control store, and every node has its
// own such actor, which writes there what it is asked to, follows what anybody wrote, and puts it in force here:
// the catalog on the board, and the declarations in the shards.
//
//   a request:  counters read -> the copy has caught up -> planned -> committed -> in the copy -> in force ->
//   answered a change:   the copy -> catalog -> board, and every shard is told, again until it has committed it
//
// Invariants: a request is one transaction, or nothing; who is answered ok finds what was declared on this node's
// board and in the shards. Every node tells the shards; a declaration that a shard has already changes nothing in
// it. While the control store is away requests are refused with `unavailable`, and what was in force stays so.
#pragma once

#include <deque>
#include <list>

#include "actors/governance/control_actor.hpp"
#include "cluster/declared/catalog_refresh.hpp"
#include "cluster/declared/declare_plan.hpp"
#include "cluster/declared/declared_catalog.hpp"
#include "cluster/declared/declared_copy.hpp"
#include "cluster/declared/shard_teller.hpp"

namespace coppice {

// ---- to itself

// The copy is another.
struct declared_changed {};
// The counters were read, or could not be.
struct counters_read {
    std::uint64_t step = 0; // of the request under way; an older one's is passed over
    expected<std::map<std::string, std::optional<control_entry>>> counters;
};
struct declaration_committed {
    std::uint64_t step = 0;
    tl::expected<std::uint64_t, control_refusal> result;
};
struct shard_told {
    std::size_t teller = 0;
    std::vector<command_result> results;
};
// Something waits for a pause or a deadline.
struct declare_tick {};

using cluster_control_handle =
    control_handle::extend<caf::reacts_to<declared_changed>, caf::reacts_to<counters_read>,
                           caf::reacts_to<declaration_committed>, caf::reacts_to<shard_told>,
                           caf::reacts_to<declare_tick>>;

struct cluster_control_options {
    control_store* store = nullptr; // outlives the actor
    std::shared_ptr<declared_copy> copy;
    std::shared_ptr<catalog_board> board;
    std::shared_ptr<catalog_refresh> refresh; // hears what is on the board; may be null
    journal_port journal;                     // carries a proposal to the shard that it names
    spec_readers readers;
    std::vector<shard_id> shards{shard_id{0}};
    std::function<instant()> clock = wall_clock_now;
    // A document of the control store that is not in force, said once a reason; on the actor's thread.
    std::function<void(const std::string& key, const failure& why)> refused;
};

// A request on its way. Answered once, at the latest when it ends with the actor.
struct declare_run {
    declare_run(std::shared_ptr<declare_documents> what, shard_teller::time until)
        : request(std::move(what)), deadline(until) {}
    declare_run(const declare_run&) = delete;
    declare_run& operator=(const declare_run&) = delete;
    ~declare_run() {
        if (request) answer(fail(errc::unknown_outcome, "the control plane of this node was restarted"));
    }
    void answer(expected<std::vector<document_change>> result) {
        std::exchange(request, nullptr)->done(std::move(result));
    }

    std::shared_ptr<declare_documents> request;
    shard_teller::time deadline;
    std::size_t attempts = 0;
    bool reading = false;
    bool committing = false;
    declare_base base;
    declare_plan plan;
    std::vector<declare_plan> in_doubt; // commits of unknown outcome
};

struct cluster_control_state {
    tree_handle card;
    std::unique_ptr<declared_catalog> catalog;
    std::vector<shard_teller> tellers; // one a shard
    std::deque<std::unique_ptr<declare_run>> waiting;
    std::unique_ptr<declare_run> current;              // until it is committed
    std::list<std::unique_ptr<declare_run>> committed; // until they are in force
    std::uint64_t step = 0;
    bool ticking = false;
    std::shared_ptr<std::atomic<bool>> change_under_way = std::make_shared<std::atomic<bool>>(false);
};

cluster_control_handle::behavior_type
cluster_control_actor(cluster_control_handle::stateful_pointer<cluster_control_state> self, tree_handle card,
                      cluster_control_options options);

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::declared_changed> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::counters_read> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::declaration_committed> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::shard_told> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::declare_tick> : std::true_type {};
} // namespace caf
