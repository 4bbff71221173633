#include "persistence/memory_tree.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace coppice {
namespace {

int compare(bytes_view a, bytes_view b) {
    const std::size_t common = std::min(a.size(), b.size());
    const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
    if (order != 0) return order;
    return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

} // namespace

struct memory_tree::node {
    std::shared_ptr<entry> row;
    std::size_t priority = 0;
    std::uint64_t version = 0;
    link left;
    link right;
};

const memory_tree::entry* memory_tree::find(bytes_view key) const {
    const entry* at = first_from(key);
    return at != nullptr && compare(at->key, key) == 0 ? at : nullptr;
}

const memory_tree::entry* memory_tree::first_from(bytes_view from) const {
    const entry* best = nullptr;
    for (const node* n = root_.get(); n != nullptr;) {
        const bool left = compare(n->row->key, from) >= 0;
        if (left) best = n->row.get();
        n = left ? n->left.get() : n->right.get();
    }
    return best;
}

const memory_tree::entry* memory_tree::first_after(bytes_view key) const {
    const entry* best = nullptr;
    for (const node* n = root_.get(); n != nullptr;) {
        const bool left = compare(n->row->key, key) > 0;
        if (left) best = n->row.get();
        n = left ? n->left.get() : n->right.get();
    }
    return best;
}

const memory_tree::entry* memory_tree::last_before(bytes_view before) const {
    const entry* best = nullptr;
    for (const node* n = root_.get(); n != nullptr;) {
        const bool right = compare(n->row->key, before) < 0;
        if (right) best = n->row.get();
        n = right ? n->right.get() : n->left.get();
    }
    return best;
}

memory_tree::node& memory_tree::own(link& l, std::uint64_t version) {
    if (l->version != version) {
        l = std::make_shared<node>(*l);
        l->version = version;
    }
    return *l;
}

void memory_tree::rotate_right(link& l, std::uint64_t version) {
    link up = own(l, version).left;
    l->left = own(up, version).right;
    up->right = std::move(l);
    l = std::move(up);
}

void memory_tree::rotate_left(link& l, std::uint64_t version) {
    link up = own(l, version).right;
    l->right = own(up, version).left;
    up->left = std::move(l);
    l = std::move(up);
}

memory_tree::entry& memory_tree::put_at(link& l, bytes_view key, bytes&& value, std::uint64_t version) {
    if (l == nullptr) {
        l = std::make_shared<node>();
        l->row = std::make_shared<entry>(entry{bytes(key.begin(), key.end()), std::move(value)});
        l->priority = std::hash<std::string_view>{}(as_text(key));
        l->version = version;
        return *l->row;
    }
    node& n = own(l, version);
    const int order = compare(key, n.row->key);
    if (order == 0) {
        n.row = std::make_shared<entry>(entry{bytes(key.begin(), key.end()), std::move(value)});
        return *n.row;
    }
    entry& placed = put_at(order < 0 ? n.left : n.right, key, std::move(value), version);
    if (n.left && n.left->priority > n.priority)
        rotate_right(l, version);
    else if (n.right && n.right->priority > n.priority)
        rotate_left(l, version);
    return placed;
}

memory_tree::link memory_tree::merged(link left, link right, std::uint64_t version) {
    if (left == nullptr) return right;
    if (right == nullptr) return left;
    if (left->priority > right->priority) {
        node& n = own(left, version);
        n.right = merged(std::move(n.right), std::move(right), version);
        return left;
    }
    node& n = own(right, version);
    n.left = merged(std::move(left), std::move(n.left), version);
    return right;
}

void memory_tree::erase_at(link& l, bytes_view key, std::uint64_t version) {
    const int order = compare(key, l->row->key);
    if (order == 0) {
        l = merged(l->left, l->right, version);
        return;
    }
    node& n = own(l, version);
    erase_at(order < 0 ? n.left : n.right, key, version);
}

memory_tree::entry& memory_tree::put(bytes_view key, bytes value, std::uint64_t version) {
    return put_at(root_, key, std::move(value), version);
}

bool memory_tree::erase(bytes_view key, std::uint64_t version) {
    if (find(key) == nullptr) return false;
    erase_at(root_, key, version);
    return true;
}

} // namespace coppice
