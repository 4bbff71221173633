// Texts of HTTP that libcurl knows how to read: what is asked, and when.
#pragma once

#include <optional>
#include <string>

#include "schema/time.hpp"

namespace coppice {

// Why a request could not be made to this url, which must be http or https, whole, without user and without
// fragment; in words that go on from its name. Empty: it could.
std::string url_trouble(const std::string& text);

// RFC 9110, 5.6.7, in any of the forms that it allows, and some more.
std::optional<instant> parse_http_date(const std::string& text);

} // namespace coppice
