// A proposal: commands on their way to a journal, and whoever waits for what comes of them.
//
// Intuition: a registered letter. `done` is called exactly once: with the results after the commit, or with a
// refusal when the journal could not take or keep it; if a proposal is dropped on the way (the journal crashed),
// its destructor answers unknown_outcome. So nobody who proposed waits for ever.
#pragma once

#include <atomic>
#include <functional>
#include <kj/array.h>
#include <memory>
#include <span>

#include "actors/jobs/batch_output.hpp"
#include "schema/commands.capnp.h"
#include "schema/limits.hpp"

namespace coppice {

// Bounds what is on the way to one journal, in proposals and bytes; shared by all edges and actors that propose.
// The queue has a name: "inflight_proposals" / "inflight_bytes" of limits.hpp. Thread-safe.
class inflight_gate {
  public:
    bool enter(std::size_t bytes) {
        const auto count = count_.fetch_add(1, std::memory_order_relaxed);
        const auto held = bytes_.fetch_add(bytes, std::memory_order_relaxed);
        if (count < limits::inflight_proposals_max && held < limits::inflight_bytes_max) return true;
        refused_.fetch_add(1, std::memory_order_relaxed);
        leave(bytes);
        return false;
    }
    void leave(std::size_t bytes) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    std::size_t count() const { return count_.load(std::memory_order_relaxed); }
    std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::size_t> count_{0};
    std::atomic<std::size_t> bytes_{0};
    std::atomic<std::uint64_t> refused_{0};
};

class proposal : public std::enable_shared_from_this<proposal> {
  public:
    // Called on the journal's thread; must not block. One result a command, in order.
    using done_function = std::function<void(std::span<command_result>)>;

    // `entry`: a flat Cap'n Proto message, root cmd::Entry, made by this process. `grows`: it brings new work, and
    // is refused first when the store runs full.
    proposal(kj::Array<capnp::word> entry, std::size_t commands, bool grows, done_function done,
             shard_id shard = {})
        : entry_(std::move(entry)), commands_(commands), shard_(shard), grows_(grows), done_(std::move(done)) {}
    proposal(const proposal&) = delete;
    proposal& operator=(const proposal&) = delete;
    ~proposal();

    kj::ArrayPtr<const capnp::word> entry() const { return entry_; }
    std::size_t commands() const { return commands_; }
    std::size_t bytes() const { return entry_.size() * sizeof(capnp::word); }
    bool grows() const { return grows_; }
    shard_id shard() const { return shard_; } // whose commands they are: a proposal has those of one shard

    void answer(std::span<command_result> results);
    void refuse(const failure& why);
    // Asked before a refusal is answered, on the thread that refuses: true when it takes the proposal on, to try it
    // again elsewhere. Null: nobody. Set before the proposal is handed on.
    using rescue_function = std::function<bool(const std::shared_ptr<proposal>&, const failure&)>;
    void rescue_by(rescue_function rescue) { rescue_ = std::move(rescue); }
    // Takes its place in the queue; left again when the proposal ends.
    bool enter(std::shared_ptr<inflight_gate> gate);

  private:
    kj::Array<capnp::word> entry_;
    std::size_t commands_;
    shard_id shard_;
    bool grows_;
    done_function done_;
    rescue_function rescue_;
    std::shared_ptr<inflight_gate> gate_;
};

using proposal_ptr = std::shared_ptr<proposal>;

} // namespace coppice
