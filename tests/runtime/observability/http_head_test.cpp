#include "runtime/observability/http_head.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

using namespace coppice;

namespace {

constexpr std::size_t size_max = 8192;

// 0 when more is needed, 200 when it is a head, else the status of the refusal.
unsigned verdict(std::string_view bytes) {
    const auto result = read_http_head(bytes, size_max);
    if (std::holds_alternative<http_need_more>(result)) return 0;
    if (const auto* refusal = std::get_if<http_refusal>(&result)) return refusal->status;
    return 200;
}

http_head head_of(std::string_view bytes) {
    const auto result = read_http_head(bytes, size_max);
    BOOST_REQUIRE(std::holds_alternative<http_head>(result));
    return std::get<http_head>(result);
}

std::string head_with(const std::string& headers) { return "GET / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n"; }

} // namespace

BOOST_AUTO_TEST_SUITE(http_heads)

BOOST_AUTO_TEST_CASE(a_head_is_read) {
    const std::string text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a:1\r\nAccept: */*\r\n\r\n";
    const http_head head = head_of(text + "GET /next");
    BOOST_TEST(head.method == "GET");
    BOOST_TEST(head.path == "/metrics");
    BOOST_TEST(head.keep_alive);
    BOOST_TEST(!head.http_1_0);
    BOOST_TEST(head.size == text.size());
    BOOST_TEST(!head_of(head_with("Connection: close\r\n")).keep_alive);
    BOOST_TEST(!head_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
    BOOST_TEST(head_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    BOOST_TEST(head_of("GET http://a/livez?q HTTP/1.1\r\nHost: a\r\n\r\n").path == "/livez");
    BOOST_TEST(head_of("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").path == "/");
}

BOOST_AUTO_TEST_CASE(every_beginning_of_a_good_head_asks_for_more) {
    const std::string text = "GET /metrics HTTP/1.1\r\nHost: a:1\r\nAccept: */*\r\n\r\n";
    for (std::size_t i = 0; i < text.size(); ++i) BOOST_REQUIRE(verdict(text.substr(0, i)) == 0U);
    BOOST_TEST(verdict(text) == 200U);
}

BOOST_AUTO_TEST_CASE(what_cannot_become_a_head_is_refused_at_once) {
    for (const std::string text : {"\x16\x03\x01\x02", "\r\n", " GET", "head_with", "\xff", "GET / HTTP/1.1\n",
                                   "GET /\rx", "GET /\x01", "GET / HTTP/1.1\r\nHost: a\r\n x: y"})
        BOOST_TEST(verdict(text) == 400U, text);
    BOOST_TEST(verdict(std::string("GET /\0", 6)) == 400U);
}

BOOST_AUTO_TEST_CASE(shapes_that_smuggle_are_refused) {
    for (const char* headers :
         {"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: \r\n",
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n",
          "Content-Length: 0\r\nContent-Length: 5\r\n", "Content-Length: +0\r\n", "Content-Length: -1\r\n",
          "Content-Length: 0x0\r\n", "Content-Length: 99999999999999999999999\r\n", "Content-Length:\r\n",
          "Host: b\r\n", "Content-Length : 0\r\n", " X: folded\r\n", "X\r\n", ": x\r\n", "X y: z\r\n"})
        BOOST_TEST(verdict(head_with(headers)) == 400U, headers);
    BOOST_TEST(verdict(head_with("Content-Length: 5\r\n")) == 413U);
    BOOST_TEST(verdict(head_with("Content-Length: 0\r\n")) == 200U);
    BOOST_TEST(verdict("GET / HTTP/1.1\r\n\r\n") == 400U); // no Host
}

BOOST_AUTO_TEST_CASE(other_versions_are_refused) {
    for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1", "http/1.1", "HTTP/1.1 ", "X"})
        BOOST_TEST(verdict("GET / " + std::string{version} + "\r\nHost: a\r\n\r\n") >= 400U, version);
    BOOST_TEST(verdict("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505U);
    BOOST_TEST(verdict("GET /\r\n\r\n") == 400U);
    BOOST_TEST(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505U);
}

BOOST_AUTO_TEST_CASE(the_size_is_bounded) {
    const std::size_t frame = head_with("X: \r\n").size();
    BOOST_TEST(verdict(head_with("X: " + std::string(size_max - frame, 'x') + "\r\n")) == 200U);
    BOOST_TEST(verdict(head_with("X: " + std::string(size_max - frame + 1, 'x') + "\r\n")) == 431U);
    BOOST_TEST(verdict("GET /" + std::string(size_max, 'a')) == 414U);
    BOOST_TEST(verdict("GET / HTTP/1.1\r\n" + std::string(size_max, 'a')) == 431U);
    BOOST_TEST(verdict(head_with("") + std::string(100'000, 'x')) == 200U); // what follows is another matter
    std::string many;
    for (int i = 0; i < 1500; ++i) many += "A:\r\n";
    BOOST_TEST(verdict(head_with(many)) == 200U);
}

BOOST_AUTO_TEST_CASE(random_changes_never_give_a_head_that_takes_more_than_there_is) {
    const unsigned seed = std::random_device{}();
    BOOST_TEST_INFO_SCOPE("seed " << seed);
    std::mt19937 random{seed};
    const std::string good = head_with("Content-Length: 0\r\nConnection: close, x\r\nTransfer: no\r\n");
    for (int round = 0; round < 20'000; ++round) {
        std::string text = good;
        for (auto changes = random() % 4; changes > 0; --changes) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
            case 0:
                text[at] = static_cast<char>(random());
                break;
            case 1:
                text.erase(at, random() % 5);
                break;
            default:
                text.insert(at, 1, "\r\n\t :,0"[random() % 7]);
                break;
            }
            if (text.empty()) break;
        }
        const auto result = read_http_head(text, size_max);
        if (const auto* head = std::get_if<http_head>(&result)) {
            BOOST_REQUIRE(head->size <= text.size());
            BOOST_REQUIRE(head->size >= 4U);
            BOOST_REQUIRE(text.substr(head->size - 4, 4) == "\r\n\r\n");
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
