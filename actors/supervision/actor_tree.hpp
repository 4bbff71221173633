// The live tree of actors, for people: path, kind, state in words, mailbox, messages handled, restarts, last
// failure.
//
// Intuition: a notice board. Every child owns one card (tree_node) and writes on it; anyone may read the board at
// any time, from any thread, without asking an actor, so a hung actor is still seen, and is seen to be hung: its
// mailbox grows and `handled` stands still. CAF's own mailbox must not be read from another thread; therefore the
// child's wrapper (supervised_actor.hpp) counts on the card: +1 at enqueue, -1 when a handler took the message.
//
// Invariants: a node is in its parent's list exactly while a tree_entry holds it; lists are guarded by their
// parent's lock only, so thousands of job children coming and going under one parent never wait for another part
// of the tree; no lock is held while another is taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "schema/time.hpp"

namespace coppice {

// One line of a snapshot.
struct tree_row {
    std::string path;      // "node/shards/shard-3/scheduler"
    std::uint32_t depth{}; // 0 for the root
    std::string kind;      // "supervisor", "worker", or the child's own word
    std::string state;     // in words: "running", "restarting in 200ms", "leader, 3 followers"
    std::uint64_t handled{};
    std::uint64_t mailbox{};
    std::uint32_t restarts{};
    std::string last_failure; // empty: none yet
    instant last_failure_at = never;
    instant started_at = never;   // of this incarnation; its age is the reader's clock minus this
    std::uint64_t memory_bytes{}; // 0: not known
    bool cut = false;             // a marker, not an actor: `max_rows` was reached, there is more from here
};

// One actor's card. Every member may be called from any thread.
class tree_node : public std::enable_shared_from_this<tree_node> {
  public:
    tree_node(std::shared_ptr<tree_node> parent, std::string segment, std::string_view kind);
    tree_node(const tree_node&) = delete;
    tree_node& operator=(const tree_node&) = delete;

    // For the actor itself.
    void set_state(std::string_view text);
    void set_kind(std::string_view word);
    void set_memory(std::uint64_t bytes) { memory_bytes_.store(bytes, std::memory_order_relaxed); }

    // For the child's wrapper.
    void message_enqueued() { mailbox_.fetch_add(1, std::memory_order_relaxed); }
    void message_handled() {
        mailbox_.fetch_sub(1, std::memory_order_relaxed);
        handled_.fetch_add(1, std::memory_order_relaxed);
    }

    // For its supervisor.
    void incarnation_started(instant at);
    void incarnation_failed(std::string_view reason, instant at);
    void count_restart() { restarts_.fetch_add(1, std::memory_order_relaxed); }

    std::string path() const;
    const std::string& segment() const { return segment_; }
    std::uint64_t handled() const { return handled_.load(std::memory_order_relaxed); }
    std::uint64_t mailbox() const;
    std::uint32_t restarts() const { return restarts_.load(std::memory_order_relaxed); }

  private:
    friend class tree_entry;
    friend class actor_tree;
    struct failure_note {
        std::string text;
        instant at;
    };

    void link_child(tree_node& child);
    void unlink_child(tree_node& child);
    std::vector<std::shared_ptr<tree_node>> children(std::size_t max) const;
    tree_row row(std::string path, std::uint32_t depth) const;

    const std::shared_ptr<tree_node> parent_;
    const std::string segment_;
    mutable std::mutex lock_; // the texts below, and the list of children
    std::string kind_;
    std::string state_;
    std::unique_ptr<failure_note> failure_;
    tree_node* first_child_ = nullptr;
    tree_node* last_child_ = nullptr;
    tree_node* previous_ = nullptr; // these two: guarded by the parent's lock
    tree_node* next_ = nullptr;
    std::atomic<std::int64_t> mailbox_{0};
    std::atomic<std::uint64_t> handled_{0};
    std::atomic<std::uint64_t> memory_bytes_{0};
    std::atomic<std::int64_t> started_us_{0};
    std::atomic<std::uint32_t> restarts_{0};
};

// What an actor holds to publish with: a shared, copyable reference to its card that may be empty (no tree), and
// then does nothing.
class tree_handle {
  public:
    tree_handle() = default;
    explicit tree_handle(std::shared_ptr<tree_node> node) : node_(std::move(node)) {}

    explicit operator bool() const { return node_ != nullptr; }
    const std::shared_ptr<tree_node>& node() const { return node_; }

    void state(std::string_view text) const {
        if (node_) node_->set_state(text);
    }
    void kind(std::string_view word) const {
        if (node_) node_->set_kind(word);
    }
    void memory(std::uint64_t bytes) const {
        if (node_) node_->set_memory(bytes);
    }

  private:
    std::shared_ptr<tree_node> node_;
};

// Keeps a node in its parent's list; taking it out is the destructor. Move-only; any thread.
class tree_entry {
  public:
    tree_entry() = default;
    // Empty when the parent is.
    tree_entry(const tree_handle& parent, std::string segment, std::string_view kind);
    tree_entry(tree_entry&& other) noexcept : node_(std::move(other.node_)) {}
    tree_entry& operator=(tree_entry&& other) noexcept;
    ~tree_entry() { remove(); }

    tree_handle handle() const { return tree_handle{node_}; }
    tree_node* operator->() const { return node_.get(); }
    explicit operator bool() const { return node_ != nullptr; }

  private:
    void remove();
    std::shared_ptr<tree_node> node_;
};

// The board itself: an object handed down, no global.
class actor_tree {
  public:
    explicit actor_tree(std::string root_segment = "node");

    tree_handle root() const { return tree_handle{root_}; }

    // Rows depth-first, children in the order in which they came, of every node whose path begins with
    // `path_prefix` ("" or a path: "node/shards" gives that node and all below; a part of a last segment also
    // matches, "node/sh"). At `max_rows` it stops with one more row that has `cut` set and the path where it
    // stopped. Consistent per node, not over the tree.
    std::vector<tree_row> snapshot(std::string_view path_prefix, std::size_t max_rows) const;

  private:
    std::shared_ptr<tree_node> root_;
};

} // namespace coppice
