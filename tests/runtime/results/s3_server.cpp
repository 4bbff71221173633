#include "tests/runtime/results/s3_server.hpp"

#include <openssl/hmac.h>

#include <algorithm>
#include <sstream>

#include "actors/governance/sha256.hpp"
#include "schema/hex.hpp"

namespace coppice::testing {
namespace {

std::string hmac(const std::string& key, const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(), &size);
    return {reinterpret_cast<const char*>(made.data()), size};
}

std::string unescaped(const std::string& text) {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            made += text[i];
            continue;
        }
        made += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
    }
    return made;
}

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts;
    std::istringstream from{text};
    for (std::string part; std::getline(from, part, at);) parts.push_back(part);
    return parts;
}

// By lower-case name.
std::map<std::string, std::string> headers_of(const std::string& request) {
    std::map<std::string, std::string> found;
    for (std::string line : split(request.substr(0, request.find("\r\n\r\n")), '\n')) {
        if (line.ends_with('\r')) line.pop_back();
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        std::string name = line.substr(0, colon);
        std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
        const auto begin = line.find_first_not_of(' ', colon + 1);
        found[name] = begin == std::string::npos ? "" : line.substr(begin);
    }
    return found;
}

std::string after(const std::string& text, const std::string& word) {
    const auto at = text.find(word);
    if (at == std::string::npos) return {};
    const auto begin = at + word.size();
    return text.substr(begin, text.find_first_of(", ", begin) - begin);
}

std::string error(const std::string& status, const std::string& code, const std::string& message) {
    return whole("<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>", status);
}

} // namespace

s3_server::s3_server(std::string access_key, std::string secret_key, std::string region, std::string bucket)
    : access_key_(std::move(access_key)), secret_key_(std::move(secret_key)), region_(std::move(region)),
      bucket_(std::move(bucket)),
      server_(fake_endpoint::whole_requests{},
              [this](const std::string& request, const fake_endpoint::send_function& send) {
                  send(answer(request));
              }) {}

std::map<std::string, s3_server::object> s3_server::objects() const {
    const std::lock_guard guard{mutex_};
    return objects_;
}

void s3_server::put(const std::string& name, object what) {
    const std::lock_guard guard{mutex_};
    objects_[name] = std::move(what);
}

void s3_server::erase(const std::string& name) {
    const std::lock_guard guard{mutex_};
    objects_.erase(name);
}

std::vector<std::string> s3_server::refusals() const {
    const std::lock_guard guard{mutex_};
    return refusals_;
}

// "Task 1: Create a canonical request" and the rest of the reference, from what came over the wire.
std::string s3_server::why_unsigned(const std::string& request) const {
    const auto headers = headers_of(request);
    const auto header = [&](const std::string& name) {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string{} : found->second;
    };
    const std::string authorization = header("authorization");
    if (!authorization.starts_with("AWS4-HMAC-SHA256 ")) return "no signature";
    const std::string credential = after(authorization, "Credential="),
                      names = after(authorization, "SignedHeaders="),
                      signature = after(authorization, "Signature=");
    const auto scope = split(credential, '/');
    if (scope.size() != 5 || scope[0] != access_key_ || scope[2] != region_ || scope[3] != "s3" ||
        scope[4] != "aws4_request")
        return "credential " + credential;
    const std::string date = header("x-amz-date");
    if (!date.starts_with(scope[1] + "T")) return "date " + date;
    const std::string body = request.substr(request.find("\r\n\r\n") + 4);
    if (header("x-amz-content-sha256") != sha256_hex(body)) return "the body is not the one that was signed";
    const auto parts = split(request.substr(0, request.find("\r\n")), ' ');
    const auto mark = parts[1].find('?');
    const std::string path = parts[1].substr(0, mark),
                      query = mark == std::string::npos ? "" : parts[1].substr(mark + 1);
    auto fields = split(query, '&');
    if (!std::ranges::is_sorted(fields)) return "the query is not sorted";
    std::string canonical = parts[0] + "\n" + path + "\n" + query + "\n";
    bool has_host = false, has_date = false, has_hash = false;
    for (const std::string& name : split(names, ';')) {
        if (!headers.contains(name)) return "signed header " + name + " did not come";
        canonical += name + ":" + header(name) + "\n";
        has_host = has_host || name == "host";
        has_date = has_date || name == "x-amz-date";
        has_hash = has_hash || name == "x-amz-content-sha256";
    }
    if (!has_host || !has_date || !has_hash) return "not signed is one of host, x-amz-date, x-amz-content-sha256";
    canonical += "\n" + names + "\n" + header("x-amz-content-sha256");
    const std::string scope_text = scope[1] + "/" + region_ + "/s3/aws4_request";
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope_text + "\n" + sha256_hex(canonical);
    std::string key = hmac("AWS4" + secret_key_, scope[1]);
    for (const std::string& part : {region_, std::string{"s3"}, std::string{"aws4_request"}}) key = hmac(key, part);
    return hex(hmac(key, to_sign)) == signature ? "" : "another signature";
}

std::string s3_server::answer(const std::string& request) {
    if (const int left = failing_; left != 0) {
        if (left > 0) --failing_;
        return error("503 Service Unavailable", "SlowDown", "later");
    }
    if (const std::string why = why_unsigned(request); !why.empty()) {
        const std::lock_guard guard{mutex_};
        refusals_.push_back(why);
        return error("403 Forbidden", "SignatureDoesNotMatch", why);
    }
    const auto parts = split(request.substr(0, request.find("\r\n")), ' ');
    const auto mark = parts[1].find('?');
    const std::string path = parts[1].substr(0, mark),
                      query = mark == std::string::npos ? "" : parts[1].substr(mark + 1);
    if (path != "/" + bucket_ && !path.starts_with("/" + bucket_ + "/"))
        return error("404 Not Found", "NoSuchBucket", path);
    const std::string name = path.size() > bucket_.size() + 2 ? path.substr(bucket_.size() + 2) : "";
    return serve(parts[0], name, query, request.substr(request.find("\r\n\r\n") + 4));
}

std::string s3_server::serve(const std::string& method, const std::string& name, const std::string& query,
                             const std::string& body) {
    const std::lock_guard guard{mutex_};
    if (method == "GET" && name.empty()) return list(query);
    if (method == "PUT") {
        objects_[name].bytes = body;
        return whole("");
    }
    if (method == "DELETE") {
        objects_.erase(name);
        return "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    }
    const auto found = objects_.find(name);
    if (method != "GET" || found == objects_.end()) return error("404 Not Found", "NoSuchKey", name);
    return whole(found->second.bytes);
}

std::string s3_server::list(const std::string& query) const {
    std::string prefix, begin;
    for (const std::string& field : split(query, '&')) {
        if (field.starts_with("prefix=")) prefix = unescaped(field.substr(7));
        if (field.starts_with("start-after=")) begin = unescaped(field.substr(12));
    }
    std::string contents;
    std::size_t count = 0;
    bool more = false;
    for (auto at = objects_.upper_bound(begin); at != objects_.end(); ++at) {
        if (!at->first.starts_with(prefix)) continue;
        more = count == page;
        if (more) break;
        ++count;
        contents += "<Contents><Key>" + at->first + "</Key><LastModified>" + at->second.written +
                    "</LastModified><Size>" + std::to_string(at->second.bytes.size()) + "</Size></Contents>";
    }
    return whole("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                 "<IsTruncated>" +
                 std::string{more ? "true" : "false"} + "</IsTruncated>" + contents + "</ListBucketResult>");
}

} // namespace coppice::testing
