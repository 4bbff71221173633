// References of JSON Schema against the base they stand in (RFC 3986, 5.2, without normalizing case or escapes).
// Nothing is ever fetched: a URI is only a name for a part of the same document. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coppice::json_schema {

struct uri_reference {
    std::string uri;      // absolute when the base is; without the fragment
    std::string fragment; // percent-decoded, without "#"; empty when there is none
};

// `reference` seen from `base` (which has no fragment and may be empty). Nothing when an escape in the fragment is
// malformed or decodes to what is not UTF-8.
std::optional<uri_reference> resolve(std::string_view base, std::string_view reference);

} // namespace coppice::json_schema
