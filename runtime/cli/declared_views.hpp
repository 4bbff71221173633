// What a node says is declared, as documents again.
#pragma once

#include "runtime/client/values.hpp"
#include "runtime/config/documents.hpp"

namespace coppice::cli {

// Errors: document_invalid; a newer node may have fields that this program does not know.
expected<declared_document> document_of(const client::declared_view& view, declared_kind kind);

} // namespace coppice::cli
