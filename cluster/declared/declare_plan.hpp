// What a request to declare documents changes: from what is there to one transaction that holds only if nothing of
// it has changed meanwhile. Pure.
//
// Invariants: a number is given at the first declaration of a name and never reused; a version grows by one with
// every change; the same spec again changes nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actors/governance/control_actor.hpp"
#include "cluster/control/control_store.hpp"

namespace coppice {

struct declare_base {
    std::map<std::string, std::optional<control_entry>> counters; // the generation's and those of the kinds
    control_listing copy; // of "/declared/", at the generation's revision or a later one
};

// The counters that a request needs to be read; the generation's first. invalid_argument: kinds that are none.
expected<std::vector<std::string>> counters_of(const declare_documents& request);

struct declare_plan {
    control_txn txn; // without puts: there is nothing to do
    std::vector<document_change> changes;
    std::vector<declared_row> rows; // as they are, or will be
};
// Errors: document_invalid or schema_invalid of a spec, payload_too_large for one transaction, overloaded when no
// number is left, invalid_argument, store_damaged: what is there cannot be read.
expected<declare_plan> plan_declaration(const declare_documents& request, const declare_base& base,
                                        const spec_readers& readers, instant now);

} // namespace coppice
