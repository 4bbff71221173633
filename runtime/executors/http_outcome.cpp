#include "runtime/executors/http_outcome.hpp"

#include <algorithm>
#include <charconv>

#include "cluster/control/http_text.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::size_t quoted_size_max = 200;

attempt_outcome failed(errc code, std::string detail, bool permanent) {
    attempt_outcome outcome;
    outcome.kind = outcome_kind::failed;
    outcome.error = {code, std::move(detail), 0};
    outcome.permanent = permanent;
    return outcome;
}

bool may_succeed_later(long status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

// RFC 9110, 10.2.3: seconds, or a date.
std::optional<milliseconds> retry_after_of(const std::string& text, instant now) {
    if (text.empty()) return std::nullopt;
    const milliseconds most = limits::http_retry_after_max;
    std::int64_t seconds = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (wrong == std::errc{} && end == text.data() + text.size()) {
        if (seconds < 0) return std::nullopt;
        return seconds > most.count() / 1000 ? most : milliseconds{seconds * 1000};
    }
    const auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    return std::clamp(std::chrono::duration_cast<milliseconds>(*date - now), milliseconds{0}, most);
}

// The beginning of what the server said, on one line.
std::string beginning_of(const std::string& body) {
    std::string text = body.substr(0, std::min(body.find_first_of("\r\n"), quoted_size_max));
    std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
    return text.empty() ? text : ": " + text;
}

} // namespace

attempt_outcome http_outcome(http_result result, instant now) {
    if (result.too_large)
        return failed(errc::result_too_large, "the answer is larger than `result_max_bytes`", true);
    if (!result.answered && result.out_of_reach)
        return failed(
            errc::permission_denied,
            "the url leads to an address that is not public; the type's http.private_networks allows such", true);
    if (!result.answered) return failed(errc::job_failed, "no answer: " + result.problem, false);
    const std::string status = "status " + std::to_string(result.status);
    if (result.status >= 200 && result.status < 300) {
        attempt_outcome outcome;
        outcome.result = std::move(result.body);
        return outcome;
    }
    if (result.status >= 300 && result.status < 400)
        return failed(errc::job_failed, status + ": a redirect, which is not followed", true);
    if (!may_succeed_later(result.status))
        return failed(errc::job_failed, status + beginning_of(result.body), true);
    auto outcome = failed(errc::job_failed, status + beginning_of(result.body), false);
    outcome.retry_after = retry_after_of(result.retry_after, now);
    return outcome;
}

std::string http_account(const std::string& method, const std::string& url, const http_result& result) {
    return method + " " + url + ": " +
           (result.answered
                ? "status " + std::to_string(result.status) + ", " + std::to_string(result.body.size()) + " bytes"
                : "no answer: " + result.problem);
}

} // namespace coppice
