// The control plane as an actor: what is declared. It commits documents to the control store, makes the new
// catalog, and tells the shard what its apply needs to know; only when the shard has committed that too is the
// caller answered. When it starts it does the last two again for everything: a crash between the two commits heals
// here.
#pragma once

#include <functional>

#include "actors/governance/catalog.hpp"
#include "actors/governance/control_machine.hpp"
#include "actors/journal/journal_actor.hpp"

namespace coppice {

struct document {
    std::string kind;
    std::string name;
    std::string spec; // canonical JSON, as to_json of the spec gives it
};

struct document_change {
    std::string kind;
    std::string name;
    declared_change change = declared_change::unchanged;
    std::uint64_t version = 0;
};

// To the control actor. `done` is called once, on the actor's or the journal's thread; it must not block.
struct declare_documents {
    std::vector<document> documents; // valid, each kind and name once
    std::string by;
    bool dry_run = false;
    std::function<void(expected<std::vector<document_change>>)> done;
};

using control_handle = caf::typed_actor<
    // Answered through `done`: the changes, in order, after the commit; storage_full, or the shard's refusal.
    caf::reacts_to<std::shared_ptr<declare_documents>>>;

struct control_options {
    store* control = nullptr;
    std::shared_ptr<catalog_board> board;
    journal_port journal;
    spec_readers readers;
    std::function<instant()> clock = wall_clock_now;
};

// Fills the board from the store: before anything else runs, so that the first request finds it.
expected<void> load_catalog(store& control, const spec_readers& readers, catalog_board& board);

struct control_state {
    tree_handle card;
};
control_handle::behavior_type control_actor(control_handle::stateful_pointer<control_state> self, tree_handle card,
                                            control_options options);

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<std::shared_ptr<coppice::declare_documents>> : std::true_type {};
} // namespace caf
