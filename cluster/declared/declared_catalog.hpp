// The catalog that a copy of `/declared/` gives. Kept from one to the next is what was read, so that only a
// document whose text is another is read again, and only a schema whose text is another is compiled.
//
// The result depends on the copy alone: every node makes the same of the same. A document that cannot be read is
// not in force and is named; the others are. Of two that bear one number the one that was written first stays in
// force.
//
// Pure; one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "actors/governance/declared_commands.hpp"
#include "cluster/control/control_store.hpp"

namespace coppice {

class declared_catalog {
  public:
    explicit declared_catalog(spec_readers readers) : readers_(std::move(readers)) {}

    struct result {
        catalog_ptr all;
        std::vector<std::pair<std::string, failure>> refused; // keys not in force, for a reason that is new
    };
    result take(const control_listing& copy);
    // Keys that are not in force.
    std::size_t refused() const { return refused_.size(); }

  private:
    struct document {
        std::string value; // that it was read from
        std::uint64_t revision = 0;
        expected<declared_row> row;
        tenant_ptr tenant;
        type_ptr type;
        schedule_ptr schedule;
    };
    document read(const control_entry& entry, document* former) const;

    spec_readers readers_;
    std::map<std::string, document> documents_;  // by key
    std::map<std::string, std::string> refused_; // key to reason
};

// The rows of a copy that can be read, of one kind or (empty) of all, in the order of declared_rows.
std::vector<declared_row> declared_rows(const control_listing& copy, std::string_view kind);

} // namespace coppice
