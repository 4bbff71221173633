// Prometheus text as JSON: a sample an object, for programs that have no scraper.
#pragma once

#include <string>
#include <string_view>

namespace coppice::cli {

// [{"name", "labels": {...}, "value"}, ...]; values that JSON cannot say (NaN, +Inf) are strings. Lines that are
// not samples are left out. Source: Prometheus text exposition format 0.0.4.
std::string metrics_json(std::string_view text);

} // namespace coppice::cli
