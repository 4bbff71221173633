#include "actors/supervision/actor_tree.hpp"

#include <algorithm>
#include <utility>

namespace coppice {
namespace {

// The snapshot's walk carries the path along, so that no node has to ask its parent.
bool is_within(std::string_view path, std::string_view prefix) { return path.starts_with(prefix); }
bool leads_to(std::string_view path, std::string_view prefix) {
    return prefix.size() > path.size() && prefix.starts_with(path) && prefix[path.size()] == '/';
}

} // namespace

tree_node::tree_node(std::shared_ptr<tree_node> parent, std::string segment, std::string_view kind)
    : parent_(std::move(parent)), segment_(std::move(segment)), kind_(kind) {}

void tree_node::set_state(std::string_view text) {
    const std::lock_guard guard{lock_};
    state_.assign(text);
}

void tree_node::set_kind(std::string_view word) {
    const std::lock_guard guard{lock_};
    kind_.assign(word);
}

void tree_node::incarnation_started(instant at) {
    started_us_.store(to_us(at), std::memory_order_relaxed);
    mailbox_.store(0, std::memory_order_relaxed);
    memory_bytes_.store(0, std::memory_order_relaxed);
    set_state("running");
}

void tree_node::incarnation_failed(std::string_view reason, instant at) {
    auto note = std::make_unique<failure_note>(failure_note{std::string{reason}, at});
    mailbox_.store(0, std::memory_order_relaxed);
    const std::lock_guard guard{lock_};
    failure_ = std::move(note);
}

std::string tree_node::path() const { return parent_ ? parent_->path() + '/' + segment_ : segment_; }

// Negative for a moment when an incarnation given up long ago still counts.
std::uint64_t tree_node::mailbox() const {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, mailbox_.load(std::memory_order_relaxed)));
}

void tree_node::link_child(tree_node& child) {
    const std::lock_guard guard{lock_};
    child.previous_ = last_child_;
    (last_child_ ? last_child_->next_ : first_child_) = &child;
    last_child_ = &child;
}

void tree_node::unlink_child(tree_node& child) {
    const std::lock_guard guard{lock_};
    (child.previous_ ? child.previous_->next_ : first_child_) = child.next_;
    (child.next_ ? child.next_->previous_ : last_child_) = child.previous_;
    child.previous_ = child.next_ = nullptr;
}

// A listed child is alive, since its entry holds it and takes it out of the list first.
std::vector<std::shared_ptr<tree_node>> tree_node::children(std::size_t max) const {
    std::vector<std::shared_ptr<tree_node>> listed;
    const std::lock_guard guard{lock_};
    for (tree_node* child = first_child_; child && listed.size() < max; child = child->next_)
        listed.push_back(child->shared_from_this());
    return listed;
}

tree_row tree_node::row(std::string path, std::uint32_t depth) const {
    tree_row r{.path = std::move(path), .depth = depth};
    r.handled = handled();
    r.mailbox = mailbox();
    r.restarts = restarts();
    r.started_at = from_us(started_us_.load(std::memory_order_relaxed));
    r.memory_bytes = memory_bytes_.load(std::memory_order_relaxed);
    const std::lock_guard guard{lock_};
    r.kind = kind_;
    r.state = state_;
    if (failure_) {
        r.last_failure = failure_->text;
        r.last_failure_at = failure_->at;
    }
    return r;
}

tree_entry::tree_entry(const tree_handle& parent, std::string segment, std::string_view kind) {
    if (!parent) return;
    node_ = std::make_shared<tree_node>(parent.node(), std::move(segment), kind);
    parent.node()->link_child(*node_);
}

tree_entry& tree_entry::operator=(tree_entry&& other) noexcept {
    if (this != &other) {
        remove();
        node_ = std::move(other.node_);
    }
    return *this;
}

void tree_entry::remove() {
    if (!node_) return;
    node_->parent_->unlink_child(*node_);
    node_.reset();
}

actor_tree::actor_tree(std::string root_segment)
    : root_(std::make_shared<tree_node>(nullptr, std::move(root_segment), "supervisor")) {}

namespace {
struct visit {
    std::shared_ptr<tree_node> node;
    std::string path;
    std::uint32_t depth = 0;
};
} // namespace

std::vector<tree_row> actor_tree::snapshot(std::string_view path_prefix, std::size_t max_rows) const {
    std::vector<tree_row> rows;
    std::vector<visit> waiting{{root_, root_->segment(), 0}};
    while (!waiting.empty()) {
        visit now = std::move(waiting.back());
        waiting.pop_back();
        const bool shown = is_within(now.path, path_prefix);
        if (!shown && !leads_to(now.path, path_prefix)) continue;
        if (shown && rows.size() == max_rows) {
            rows.push_back({.path = std::move(now.path), .depth = now.depth, .cut = true});
            break;
        }
        if (shown) rows.push_back(now.node->row(now.path, now.depth));
        // One more than can be shown, to know whether something was cut; all of them where a name is sought.
        const std::size_t room = shown ? max_rows - rows.size() + 1 : SIZE_MAX;
        auto children = now.node->children(room);
        for (std::size_t i = children.size(); i-- > 0;) {
            std::string path = now.path + '/' + children[i]->segment();
            waiting.push_back({std::move(children[i]), std::move(path), now.depth + 1});
        }
    }
    return rows;
}

} // namespace coppice
