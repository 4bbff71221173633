// How a request ended, to the attempt's outcome. Pure.
#pragma once

#include "actors/jobs/attempt.hpp"
#include "cluster/control/http_loop.hpp"

namespace coppice {

// 2xx: succeeded, with the body. 408, 425, 429, 5xx and no answer: failed, and tried again as the type says, or
// when `Retry-After` does. Everything else, redirects too, which are not followed: failed for good. `now`: for a
// Retry-After that is a date.
attempt_outcome http_outcome(http_result result, instant now);

// "POST https://example.com/jobs: status 503", for the attempt's log.
std::string http_account(const std::string& method, const std::string& url, const http_result& result);

} // namespace coppice
