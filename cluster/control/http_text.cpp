#include "cluster/control/http_text.hpp"

#include <curl/curl.h>

#include <memory>

#include "schema/limits.hpp"

namespace coppice {
namespace {

// One part of a url; empty when there is none.
std::string part_of(CURLU* url, CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
    std::string part = text;
    curl_free(text);
    return part;
}

} // namespace

std::string url_trouble(const std::string& text) {
    if (text.size() > limits::http_url_size_max)
        return "must have at most " + std::to_string(limits::http_url_size_max) + " bytes";
    const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
    if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
        return "must be a whole url, such as https://example.com/jobs";
    const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") return "must be of scheme http or https, not \"" + scheme + "\"";
    if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_PASSWORD).empty())
        return "must not hold a user or a password; send a header instead";
    if (!part_of(url.get(), CURLUPART_FRAGMENT).empty()) return "must not have a fragment: no server is sent it";
    return {};
}

std::optional<instant> parse_http_date(const std::string& text) {
    const time_t date = curl_getdate(text.c_str(), nullptr);
    if (date < 0) return std::nullopt;
    return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::from_time_t(date));
}

} // namespace coppice
