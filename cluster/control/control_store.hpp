// The control store: what a cluster has declared, its members and its shard configurations, in one linearizable,
// versioned map from keys to values. One interface, two backends that pass the same tests: rows in LMDB for a
// single node (local_control_store.hpp), etcd for a cluster (etcd_control_store.hpp).
//
// The idea: nothing is locked; whoever changes something says which revision it has read, and loses if there is a
// newer one. Everybody else watches.
//
// Invariants: a revision is never used twice and grows with every change; a transaction happens whole or not at
// all; what is not known is said to be not known (unknown_outcome), never guessed. A watcher hears every change of
// its prefix once and in order, or is told to start anew (`reset`).
//
// Threads: calls come from any thread. A callback is called exactly once, on the store's own thread, and must not
// block; only a call that is refused before it is queued (invalid_argument, overloaded, or made after `stop`) is
// answered on the caller's thread, before the call returns.
//
// Keys have 1 to limits::control_key_size_max bytes of printable ASCII without spaces; values are any bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schema/errc.hpp"

namespace coppice {

using control_lease = std::uint64_t; // 0: none
using control_watch = std::uint64_t;

// A point in the life of a store. Revisions of two histories have nothing to do with each other: an etcd that was
// set up anew or restored has another history.
struct control_position {
    std::uint64_t history = 0;
    std::uint64_t revision = 0;
    bool operator==(const control_position&) const = default;
};

struct control_entry {
    std::string key;
    std::string value;
    std::uint64_t revision = 0; // of its last change
    control_lease lease = 0;    // it goes when this lease goes
    bool operator==(const control_entry&) const = default;
};

struct control_change {
    std::string key;
    std::optional<std::string> value; // absent: erased
    std::uint64_t revision = 0;
    control_lease lease = 0;
    bool operator==(const control_change&) const = default;
};

struct control_compare {
    std::string key;
    std::uint64_t revision = 0; // that the key must have; 0: the key must not exist
};

struct control_put {
    std::string key;
    std::string value;
    control_lease lease = 0; // not_found when there is no such lease
};

// When all compares hold, all puts and erases happen, at one revision. A key may be written once; erasing one that
// does not exist changes nothing.
struct control_txn {
    std::vector<control_compare> compares; // at most limits::control_txn_compares_max
    std::vector<control_put> puts;         // with the erases, 1 to limits::control_txn_operations_max
    std::vector<std::string> erases;
};

struct control_listing {
    std::vector<control_entry> entries; // by key
    control_position at;
};

struct control_seen {
    std::string key;
    std::optional<control_entry> entry; // absent: no such key
};

// Why a transaction did not happen or, with unknown_outcome, may have.
struct control_refusal {
    failure why;
    std::vector<control_seen> now; // of a conflict: every compared key, in order, as it was at that moment
};
inline tl::unexpected<control_refusal> control_refused(failure why) {
    return tl::unexpected<control_refusal>(control_refusal{std::move(why), {}});
}

template <class T>
using control_answer = std::function<void(expected<T>)>;
using control_commit_answer = std::function<void(tl::expected<std::uint64_t, control_refusal>)>;

// Who watches. Called on the store's thread, one call at a time; must not block for long, and may call the store.
class control_watcher {
  public:
    virtual ~control_watcher() = default;
    // All there is, in place of everything heard before: at the start when no position was given, and when the
    // changes since the last one are not to be had any more.
    virtual void reset(control_listing all) = 0;
    // In order of revision; the changes of one transaction are never in two calls. `at`: of the last one.
    virtual void changed(std::vector<control_change> changes, control_position at) = 0;
    // The store answers, at this revision or a later one; said at the start of a connection and again at each sign
    // of life (limits::control_probe_interval). Changes before it may still be on their way, for milliseconds.
    virtual void connected(control_position at) = 0;
    // From now on changes may be missed; the store keeps trying. Said once a loss, and again when the reason is
    // another.
    virtual void disconnected(const failure& why) = 0;
};

class control_store {
  public:
    virtual ~control_store() = default;

    // Linearizable. Errors: unavailable, message_invalid (the store sent what it must not).
    virtual void get(std::string key, control_answer<std::optional<control_entry>> done) = 0;
    // All keys that begin with `prefix` (empty: every one), at one revision. payload_too_large beyond
    // limits::control_list_entries_max or control_list_size_max.
    virtual void list(std::string prefix, control_answer<control_listing> done) = 0;
    // The new revision. Errors: conflict; unknown_outcome: it may have happened or may yet happen; everything else
    // says that it did not (unavailable, not_found for a lease, storage_full, payload_too_large).
    virtual void commit(control_txn txn, control_commit_answer done) = 0;

    // Every change after `from`; without it, or when `from` is of another history, starts with `reset`. overloaded
    // beyond limits::control_watches_max. The store keeps the watcher alive until `unwatch` or `stop`.
    virtual expected<control_watch> watch(std::string prefix, std::optional<control_position> from,
                                          std::shared_ptr<control_watcher> watcher) = 0;
    // A call that is under way on the store's thread may still come in.
    virtual void unwatch(control_watch watch) = 0;

    // A lease that the store keeps alive until it is revoked, the store stops or the process dies; its keys go
    // `ttl` after that (or as long as the backend needs at the least). `lost` is called at most once, after a good
    // answer: the lease is gone, or may be since nothing was heard for its time to live. Nothing is called after a
    // revoke was answered. ttl: limits::control_lease_ttl_min to _max.
    virtual void grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)> lost,
                             control_answer<control_lease> done) = 0;
    // Erases its keys. One that is gone already is revoked.
    virtual void revoke_lease(control_lease lease, control_answer<void> done) = 0;

    // Ends everything: calls not yet answered get `unavailable` or, where they may have happened, unknown_outcome;
    // when it returns nothing is called any more. Never from a callback. The destructor does it too.
    virtual void stop() = 0;
};

} // namespace coppice
