#include "runtime/observability/http_head.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <limits>

namespace coppice {
namespace {

namespace http = boost::beast::http;
using parser = http::request_parser<http::empty_body>;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// What is wrong with bytes of a head that may not be complete yet, or nothing.
std::string_view early_fault(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto c = static_cast<unsigned char>(bytes[i]);
        const bool after_cr = i > 0 && bytes[i - 1] == '\r';
        if (c == '\n' && !after_cr) return "a line ends without CR";
        if (c != '\n' && after_cr) return "CR without LF";
        if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f)
            return "a control character in the head";
        const bool line_start = i >= 2 && bytes[i - 1] == '\n';
        if (line_start && (c == ' ' || c == '\t')) return "a folded line in the head";
    }
    // HTTP's methods are upper case; this is where TLS on a plain port, and most noise, ends.
    if (!bytes.empty() && !is_upper(bytes.front())) return "not HTTP";
    return {};
}

http_refusal refusal_of(boost::beast::error_code error) {
    if (error == http::error::bad_version) return {505, "not HTTP/1.0 or HTTP/1.1"};
    return {400, "not a valid head of a request"};
}

std::string path_of(std::string_view target) {
    constexpr std::string_view scheme = "http://";
    if (target.starts_with(scheme)) {
        const std::size_t slash = target.find('/', scheme.size());
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    return std::string{target.substr(0, target.find('?'))};
}

http_head_result judge(parser& p, std::size_t size) {
    const auto& request = p.get();
    if (request.version() != 10 && request.version() != 11) return http_refusal{505, "not HTTP/1.0 or HTTP/1.1"};
    const bool is_1_0 = request.version() == 10;
    const auto hosts = request.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && !is_1_0)) return http_refusal{400, "a request names one Host"};
    if (request.count(http::field::transfer_encoding) > 0 || p.chunked())
        return http_refusal{400, "no body is accepted here"};
    const auto lengths = request.count(http::field::content_length);
    if (lengths > 1) return http_refusal{400, "Content-Length stands twice"};
    if (p.content_length().value_or(0) > 0) return http_refusal{413, "no body is accepted here"};
    const auto method = request.method_string();
    const auto target = request.target();
    return http_head{.method{method.data(), method.size()},
                     .path = path_of({target.data(), target.size()}),
                     .keep_alive = p.keep_alive(),
                     .http_1_0 = is_1_0,
                     .size = size};
}

} // namespace

http_head_result read_http_head(std::string_view bytes, std::size_t size_max) {
    const std::string_view seen = bytes.substr(0, std::min(bytes.size(), size_max));
    const std::size_t end = seen.find("\r\n\r\n");
    const std::string_view head = end == std::string_view::npos ? seen : seen.substr(0, end + 4);
    if (const auto fault = early_fault(head); !fault.empty()) return http_refusal{400, fault};
    if (end == std::string_view::npos) {
        if (bytes.size() < size_max) return http_need_more{};
        if (seen.find("\r\n") == std::string_view::npos) return http_refusal{414, "the first line is too long"};
        return http_refusal{431, "the head is too large"};
    }
    parser p;
    p.header_limit(static_cast<std::uint32_t>(size_max) + 1); // ours is the bound, checked above
    p.body_limit(std::numeric_limits<std::uint64_t>::max());  // `none` refuses every length in Boost 1.74
    boost::beast::error_code error;
    const std::size_t used = p.put(boost::asio::const_buffer(head.data(), head.size()), error);
    if (error) return refusal_of(error);
    if (!p.is_header_done() || used != head.size()) return http_refusal{400, "not a valid head of a request"};
    return judge(p, head.size());
}

} // namespace coppice
