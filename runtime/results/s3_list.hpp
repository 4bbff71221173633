// What an S3-compatible service answers, as far as it concerns us: ListObjectsV2 and errors, both XML without
// attributes on the elements that are read, and names without anything to be unescaped (object_store.hpp).
#pragma once

#include <optional>
#include <string_view>

#include "runtime/results/object_store.hpp"

namespace coppice {

// The text of the next element of this name, from `at` on, which moves behind it.
std::optional<std::string_view> next_s3_element(std::string_view xml, std::string_view name, std::size_t& at);

// Nothing: it is no such answer. `prefix` is taken off the names.
std::optional<object_store::page> read_s3_list(std::string_view xml, std::string_view prefix);

} // namespace coppice
