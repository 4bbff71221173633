// A node's copy of what is declared: a mirror of "/declared/", kept in rows, that tells one listener that it is
// another now. It outlives the actors that use it, which may restart; the edge reads it.
//
// Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "actors/governance/catalog.hpp"
#include "actors/governance/control_machine.hpp"
#include "cluster/control/control_mirror.hpp"

namespace coppice {

class declared_copy {
  public:
    // Reads what was written and begins to follow; waits for nobody. `rows` may be null: in memory only. Errors:
    // those of the store's `watch`.
    static expected<std::shared_ptr<declared_copy>> start(control_store& store, std::shared_ptr<control_rows> rows);
    declared_copy(const declared_copy&) = delete;
    declared_copy& operator=(const declared_copy&) = delete;

    // All rows that can be read, of one kind or (empty) of all: what declared_rows of a single node's store gives.
    std::vector<declared_row> rows(std::string_view kind) const;
    control_listing listing() const;
    control_mirror_status status() const;
    // Called after each change, on the store's thread; must not block. In place of the listener before.
    void on_change(std::function<void()> listener);

  private:
    declared_copy() : listener_(std::make_shared<listening>()) {}

    struct listening {
        std::mutex mutex;
        std::function<void()> call;
    };
    const std::shared_ptr<listening> listener_;
    std::unique_ptr<control_mirror> mirror_;
};

// Fills the board from the copy, before anything else runs, so that the first request finds what was in force when
// the node went down. What is not in force: a line each, for the log.
std::vector<std::string> load_catalog(const declared_copy& copy, const spec_readers& readers, catalog_board& board);

} // namespace coppice
