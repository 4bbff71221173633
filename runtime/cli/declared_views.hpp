// What is declared: what users call its kinds, and what a node says of it, as documents again.
#pragma once

#include <optional>
#include <string>

#include "runtime/client/values.hpp"
#include "runtime/config/documents.hpp"

namespace coppice::cli {

// Of "tenant", "Tenants", "job-types", "jobtype" ...
std::optional<declared_kind> kind_of(std::string word);

// Errors: document_invalid; a newer node may have fields that this program does not know.
expected<declared_document> document_of(const client::declared_view& view, declared_kind kind);

} // namespace coppice::cli
