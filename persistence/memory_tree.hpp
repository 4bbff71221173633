// An ordered map of bytes in which every version is a root: changing one copies the path to the change and shares
// the rest. So a snapshot is a copied pointer, and dropping a transaction is forgetting its root.
//
// A treap: heap order on a hash of the key, so the shape depends on the keys alone, not on their history (Seidel
// and Aragon, 1996). A node that this version made itself (same `version` number) is changed in place.
//
// Invariant: a node reachable from a root that a reader holds never changes. Distinct versions may be read by
// distinct threads; one version is changed by one.
#pragma once

#include "persistence/tables.hpp"

namespace coppice {

class memory_tree {
  public:
    struct entry {
        bytes key;
        bytes value;
    };

    const entry* find(bytes_view key) const;
    const entry* first_from(bytes_view from) const;
    const entry* first_after(bytes_view key) const;
    const entry* last_before(bytes_view before) const;

    // Puts `value` (moved from) and gives its place; `version` is the number of the version under construction.
    entry& put(bytes_view key, bytes value, std::uint64_t version);
    bool erase(bytes_view key, std::uint64_t version);

  private:
    struct node;
    using link = std::shared_ptr<node>;
    static node& own(link& l, std::uint64_t version);
    static void rotate_right(link& l, std::uint64_t version);
    static void rotate_left(link& l, std::uint64_t version);
    static entry& put_at(link& l, bytes_view key, bytes&& value, std::uint64_t version);
    static void erase_at(link& l, bytes_view key, std::uint64_t version);
    static link merged(link left, link right, std::uint64_t version);

    link root_;
};

} // namespace coppice
