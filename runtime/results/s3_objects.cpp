#include "runtime/results/s3_objects.hpp"

#include "actors/governance/sha256.hpp"
#include "runtime/results/s3_list.hpp"

namespace coppice {
namespace {

constexpr int tries_max = 3;
constexpr milliseconds first_pause{200};
constexpr milliseconds call_timeout{30'000};
constexpr std::size_t list_size_max = 2 * 1024 * 1024; // a thousand names of 200 bytes, in XML

// RFC 3986, section 2.3, as Signature Version 4 wants it: everything else in hexadecimal.
std::string encoded(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string made;
    for (const char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        const auto byte = static_cast<unsigned char>(c);
        if (plain)
            made += c;
        else
            made.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
    return made;
}

// "status 403: AccessDenied: ...", from the error's XML where there is one.
failure trouble(const http_result& r, const std::string& what) {
    std::string text = "the result store did not " + what + ": ";
    if (!r.answered) return {errc::unavailable, text + r.problem, 0};
    text += "status " + std::to_string(r.status);
    for (const std::string_view name : {"Code", "Message"}) {
        std::size_t at = 0;
        if (const auto said = next_s3_element(r.body, name, at)) text += ": " + std::string{said->substr(0, 200)};
    }
    return {errc::unavailable, std::move(text), 0};
}

bool is_good(const http_result& r) { return r.answered && r.status / 100 == 2; }

} // namespace

s3_objects::s3_objects(s3_options options)
    : options_(std::move(options)), loop_(http_tls{.ca = options_.ca, .certificate = {}, .key = {}}) {}

s3_objects::~s3_objects() { loop_.stop(); }

void s3_objects::ask(std::shared_ptr<call> what) {
    loop_.post([this, what = std::move(what)] { send(what); });
}

void s3_objects::send(const std::shared_ptr<call>& what) {
    ++what->tries;
    http_request request;
    request.url = options_.endpoint + "/" + options_.bucket + what->path;
    if (!what->query.empty()) request.url += "?" + what->query;
    request.method = what->method;
    request.body = what->body;
    request.headers = {"x-amz-content-sha256: " + sha256_hex(what->body)};
    if (what->method == "PUT") request.headers.emplace_back("Content-Type: application/octet-stream");
    request.signing = {"aws:amz:" + options_.region + ":s3", options_.access_key, options_.secret_key};
    request.timeout = call_timeout;
    request.response_size_max = what->response_size_max;
    request.done = [this, what](http_result result) { answered(what, std::move(result)); };
    loop_.start(std::move(request));
}

void s3_objects::answered(const std::shared_ptr<call>& what, http_result result) {
    const bool may_go_better = !result.too_large && (!result.answered || result.status >= 500);
    if (may_go_better && what->tries < tries_max) {
        loop_.after(first_pause * (1 << (what->tries - 1)), [this, what] { send(what); });
        return;
    }
    what->then(result);
}

void s3_objects::put(std::string name, std::string bytes, done then) {
    ask(std::make_shared<call>(call{.method = "PUT",
                                    .path = "/" + options_.prefix + name,
                                    .query = {},
                                    .body = std::move(bytes),
                                    .then = [then = std::move(then)](const http_result& r) {
                                        then(is_good(r) ? expected<void>{}
                                                        : tl::unexpected(trouble(r, "take the bytes")));
                                    }}));
}

void s3_objects::get(std::string name, std::size_t size_max, got then) {
    ask(std::make_shared<call>(call{.method = "GET",
                                    .path = "/" + options_.prefix + name,
                                    .query = {},
                                    .body = {},
                                    .response_size_max = size_max,
                                    .then = [name, then = std::move(then)](const http_result& r) {
                                        if (is_good(r)) return then(r.body);
                                        if (r.too_large)
                                            return then(
                                                fail(errc::result_too_large, name + " is larger than is accepted"));
                                        if (r.answered && r.status == 404)
                                            return then(fail(errc::not_found, "no object " + name));
                                        then(tl::unexpected(trouble(r, "give " + name)));
                                    }}));
}

void s3_objects::remove(std::string name, done then) {
    ask(std::make_shared<call>(call{.method = "DELETE",
                                    .path = "/" + options_.prefix + name,
                                    .query = {},
                                    .body = {},
                                    .then = [name, then = std::move(then)](const http_result& r) {
                                        const bool gone = is_good(r) || (r.answered && r.status == 404);
                                        then(gone ? expected<void>{}
                                                  : tl::unexpected(trouble(r, "remove " + name)));
                                    }}));
}

void s3_objects::list(std::string after, listed then) {
    std::string query = "list-type=2&max-keys=" + std::to_string(object_store::per_page);
    if (!options_.prefix.empty()) query += "&prefix=" + encoded(options_.prefix);
    if (!after.empty()) query += "&start-after=" + encoded(options_.prefix + after);
    ask(std::make_shared<call>(
        call{.method = "GET",
             .path = {},
             .query = std::move(query),
             .body = {},
             .response_size_max = list_size_max,
             .then = [prefix = options_.prefix, then = std::move(then)](const http_result& r) {
                 if (!is_good(r)) return then(tl::unexpected(trouble(r, "list what it has")));
                 auto page = read_s3_list(r.body, prefix);
                 if (!page)
                     return then(fail(errc::unavailable, "the result store's list is not one of ListObjectsV2"));
                 then(std::move(*page));
             }}));
}

} // namespace coppice
