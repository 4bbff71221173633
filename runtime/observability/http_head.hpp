// Reading the head of an HTTP/1 request from whoever sent it (RFC 9112): bytes in, a verdict out. Boost.Beast
// parses; the rules that it leaves to its caller are added here: no bare LF, no folded lines, one Host, no body in
// any framing. A client that cannot become right is told so at the first byte that shows it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace coppice {

struct http_head {
    std::string method; // "GET"; as sent, case counts
    std::string path;   // without query; of an absolute-form target, its path
    bool keep_alive = false;
    bool http_1_0 = false;
    std::size_t size = 0; // bytes that the head took; what follows is the next request
};

// Whoever sent this is answered and then hung up on: where its next request would begin is not known.
struct http_refusal {
    unsigned status = 400;
    std::string_view reason; // for a person
};

struct http_need_more {};

using http_head_result = std::variant<http_need_more, http_refusal, http_head>;

// `bytes`: all that came since the end of the last request. Never looks beyond `size_max` of them; a head that is
// longer is refused with 431, or 414 when its first line alone is.
http_head_result read_http_head(std::string_view bytes, std::size_t size_max);

} // namespace coppice
