#include "runtime/observability/metrics_server.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <vector>

#include "runtime/observability/prometheus.hpp"

using namespace coppice;

namespace {

// A server on a port of the loopback, on a real loop with real sockets; only its clock is ours to turn.
struct served_node {
    explicit served_node(metrics_server_options options = {})
        : server(clock,
                 {.metrics =
                      [this] {
                          if (broken) throw std::runtime_error("gauge broke");
                          return body;
                      },
                  .live =
                      [] {
                          return health_answer{true, "alive"};
                      },
                  .ready =
                      [this] {
                          return health_answer{ready, ready ? "ready" : "no journal yet"};
                      },
                  .on_fault = [this](std::string_view what) { faults.emplace_back(what); }},
                 options) {
        auto receiver = network().parseAddress("127.0.0.1").wait(io.waitScope)->listen();
        port = receiver->getPort();
        listening = server.listen(kj::mv(receiver)).eagerlyEvaluate(nullptr);
    }

    kj::Network& network() { return io.provider->getNetwork(); }

    template <class T>
    T within_time(kj::Promise<T> promise) {
        return io.provider->getTimer().timeoutAfter(20 * kj::SECONDS, kj::mv(promise)).wait(io.waitScope);
    }
    void within_time(kj::Promise<void> promise) {
        io.provider->getTimer().timeoutAfter(20 * kj::SECONDS, kj::mv(promise)).wait(io.waitScope);
    }

    kj::Own<kj::AsyncIoStream> connect() {
        auto address = within_time(network().parseAddress("127.0.0.1", port));
        return within_time(address->connect());
    }
    void send(kj::AsyncIoStream& stream, std::string_view text) {
        within_time(stream.write(text.data(), text.size()));
    }
    std::string read_to_end(kj::AsyncIoStream& stream) {
        const auto text = within_time(stream.readAllText());
        return {text.begin(), text.size()};
    }
    // Reads until `count` times `mark` was seen.
    std::string read_until(kj::AsyncIoStream& stream, std::string_view mark, int count = 1) {
        std::string text;
        for (int seen = 0; seen < count;) {
            char c = 0;
            BOOST_REQUIRE_MESSAGE(within_time(stream.tryRead(&c, 1, 1)) == 1U, "ended after: " << text);
            text += c;
            seen += text.ends_with(mark);
        }
        return text;
    }
    // Everything that the server says to `text`, until it hangs up.
    std::string exchange(std::string_view text) {
        auto stream = connect();
        send(*stream, text);
        return read_to_end(*stream);
    }
    // Lets the loop work until nothing is left to do but wait.
    void settle() {
        for (int i = 0; i < 10; ++i) {
            io.waitScope.poll();
            within_time(io.provider->getTimer().afterDelay(0 * kj::SECONDS));
        }
    }
    void settle_until_connections(std::size_t count) {
        for (int i = 0; server.connections() != count && i < 10'000; ++i) settle();
        BOOST_TEST(server.connections() == count);
    }
    void pass(kj::Duration time) { clock.advanceTo(clock.now() + time); }

    std::string body = "# HELP up x\n# TYPE up gauge\nup 1\n";
    bool ready = true, broken = false;
    std::vector<std::string> faults;
    kj::AsyncIoContext io = kj::setupAsyncIo();
    kj::TimerImpl clock{kj::origin<kj::TimePoint>()};
    metrics_server server;
    unsigned port = 0;
    kj::Promise<void> listening = nullptr;
};

std::string get(const std::string& path, const std::string& headers = "Connection: close\r\n") {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

bool is_status(const std::string& text, int status) {
    return text.starts_with("HTTP/1.1 " + std::to_string(status) + ' ');
}

int count_of(const std::string& text, std::string_view what) {
    int count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++count;
    return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(metrics_port)

BOOST_FIXTURE_TEST_CASE(the_pages_are_served, served_node) {
    const std::string page = exchange(get("/metrics?name=x"));
    BOOST_TEST(is_status(page, 200));
    BOOST_TEST(page.ends_with("\r\n\r\n" + body));
    BOOST_TEST(page.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") != std::string::npos);
    BOOST_TEST(page.find("Content-Length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
    BOOST_TEST(page.find("Connection: close\r\n") != std::string::npos);
    BOOST_TEST(is_status(exchange(get("/livez")), 200));
    BOOST_TEST(is_status(exchange(get("/readyz")), 200));
    ready = false;
    const std::string not_ready = exchange(get("/readyz"));
    BOOST_TEST(is_status(not_ready, 503));
    BOOST_TEST(not_ready.ends_with("no journal yet\n"));
}

BOOST_FIXTURE_TEST_CASE(other_paths_and_methods_are_refused, served_node) {
    for (const char* path :
         {"/", "/metricsx", "/metrics/", "/METRICS", "//metrics", "/../metrics", "/%6detrics", "*"})
        BOOST_TEST(is_status(exchange(get(path)), 404), path);
    for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"}) {
        const std::string page = exchange(method + " /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        BOOST_TEST(is_status(page, 405), method);
        BOOST_TEST(page.find("Allow: GET, HEAD\r\n") != std::string::npos);
    }
}

BOOST_FIXTURE_TEST_CASE(head_gives_the_headers_of_get_and_no_body, served_node) {
    std::string full = exchange(get("/metrics"));
    std::string head = get("/metrics");
    head.replace(0, 3, "HEAD");
    BOOST_TEST(exchange(head) == full.substr(0, full.size() - body.size()));
}

BOOST_FIXTURE_TEST_CASE(a_connection_is_kept_for_the_next_request, served_node) {
    auto stream = connect();
    for (int i = 0; i < 5; ++i) {
        send(*stream, get("/livez", ""));
        BOOST_TEST(is_status(read_until(*stream, "alive\n"), 200));
    }
    BOOST_TEST(server.connections() == 1U);
    send(*stream, "GET /livez HTTP/1.0\r\n\r\n");
    BOOST_TEST(read_to_end(*stream).find("Connection: close") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(pipelined_requests_are_answered_in_order, served_node) {
    std::string text;
    for (int i = 0; i < 50; ++i) text += get(i % 2 ? "/livez" : "/readyz", "");
    const std::string pages = exchange(text + get("/nowhere"));
    BOOST_TEST(count_of(pages, "HTTP/1.1 ") == 51);
    BOOST_TEST(count_of(pages, "HTTP/1.1 200 ") == 50);
    std::size_t at = 0;
    for (int i = 0; i < 50; ++i) {
        at = pages.find(i % 2 ? "alive\n" : "ready\n", at);
        BOOST_REQUIRE(at != std::string::npos);
    }
    BOOST_TEST(pages.find("HTTP/1.1 404 ", at) != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_request_in_single_bytes_is_answered, served_node) {
    auto stream = connect();
    for (const char c : get("/livez")) {
        send(*stream, {&c, 1});
        settle();
    }
    BOOST_TEST(is_status(read_to_end(*stream), 200));
}

BOOST_FIXTURE_TEST_CASE(garbage_is_answered_and_hung_up_on, served_node) {
    for (const std::string text :
         {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", "hello\r\n\r\n", "\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
          "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /metrics HTTP/1.1\r\n\r\n"}) {
        const std::string page = exchange(text + get("/livez"));
        BOOST_TEST(is_status(page, 400), text);
        BOOST_TEST(count_of(page, "HTTP/1.1 ") == 1, text); // what followed is not taken for a request
    }
    BOOST_TEST(is_status(exchange("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505));
    settle_until_connections(0);
    BOOST_TEST(faults.empty());
}

BOOST_FIXTURE_TEST_CASE(a_body_is_refused_and_never_taken_for_a_request, served_node) {
    const std::string smuggled = get("/metrics");
    const std::string with_length =
        exchange("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(smuggled.size()) +
                 "\r\n\r\n" + smuggled);
    BOOST_TEST(is_status(with_length, 413));
    BOOST_TEST(count_of(with_length, "HTTP/1.1 ") == 1);
    const std::string chunked =
        exchange("POST /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled);
    BOOST_TEST(is_status(chunked, 400));
    BOOST_TEST(count_of(chunked, "HTTP/1.1 ") == 1);
}

BOOST_FIXTURE_TEST_CASE(an_oversized_head_is_refused_and_the_client_can_read_why, served_node) {
    BOOST_TEST(is_status(exchange(get("/livez", "X: " + std::string(9000, 'x') + "\r\n")), 431));
    BOOST_TEST(is_status(exchange(get("/livez", "X: " + std::string(100'000, 'x') + "\r\n")), 431));
    BOOST_TEST(is_status(exchange(get("/" + std::string(20'000, 'x'))), 414));
}

BOOST_FIXTURE_TEST_CASE(a_slow_head_is_cut_off_at_its_deadline_however_it_trickles, served_node) {
    auto stream = connect();
    send(*stream, "GET /livez HTTP/1.1\r\n");
    for (int i = 0; i < 9; ++i) {
        settle();
        pass(1 * kj::SECONDS);
        send(*stream, "X: y\r\n");
    }
    settle();
    BOOST_TEST(server.connections() == 1U);
    pass(1 * kj::SECONDS);
    BOOST_TEST(is_status(read_to_end(*stream), 408));
    stream = nullptr;
    settle_until_connections(0);
}

BOOST_FIXTURE_TEST_CASE(an_idle_connection_is_closed_without_a_word, served_node) {
    auto fresh = connect();
    auto used = connect();
    send(*used, get("/livez", ""));
    read_until(*used, "alive\n");
    settle_until_connections(2);
    pass(74 * kj::SECONDS);
    settle();
    BOOST_TEST(server.connections() == 2U);
    send(*used, get("/livez", "")); // and so is idle anew
    read_until(*used, "alive\n");
    settle();
    pass(2 * kj::SECONDS);
    BOOST_TEST(read_to_end(*fresh).empty());
    settle_until_connections(1);
    pass(75 * kj::SECONDS);
    BOOST_TEST(read_to_end(*used).empty());
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_is_dropped) {
    served_node node;
    node.body.assign(64 * 1024 * 1024, 'x');
    auto stream = node.connect();
    node.send(*stream, get("/metrics"));
    char c = 0;
    BOOST_TEST(node.within_time(stream->tryRead(&c, 1, 1)) == 1U); // it has begun
    node.settle();
    BOOST_TEST(node.server.connections() == 1U);
    node.pass(31 * kj::SECONDS);
    node.settle_until_connections(0);
}

BOOST_AUTO_TEST_CASE(a_connection_too_many_is_told_so) {
    served_node node{{.connections_max = 2}};
    auto a = node.connect(), b = node.connect();
    node.settle_until_connections(2);
    auto c = node.connect();
    BOOST_TEST(is_status(node.read_to_end(*c), 503));
    node.send(*a, get("/livez"));
    BOOST_TEST(is_status(node.read_to_end(*a), 200));
    a = nullptr;
    node.settle_until_connections(1);
    BOOST_TEST(is_status(node.exchange(get("/livez")), 200));
}

BOOST_AUTO_TEST_CASE(a_connection_has_so_many_requests_and_no_more) {
    served_node node{{.requests_per_connection_max = 3}};
    std::string text;
    for (int i = 0; i < 10; ++i) text += get("/livez", "");
    const std::string pages = node.exchange(text);
    BOOST_TEST(count_of(pages, "HTTP/1.1 200 ") == 3);
    BOOST_TEST(count_of(pages, "Connection: close") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_fault_in_the_metrics_leaves_the_probes_alone, served_node) {
    broken = true;
    const std::string page = exchange(get("/metrics"));
    BOOST_TEST(is_status(page, 500));
    BOOST_TEST(page.find("gauge broke") == std::string::npos);
    BOOST_REQUIRE(faults.size() == 1U);
    BOOST_TEST(faults[0] == "gauge broke");
    BOOST_TEST(is_status(exchange(get("/livez")), 200));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_leaves_at_any_moment_disturbs_nobody, served_node) {
    const std::string text = get("/livez", "");
    for (std::size_t i = 0; i <= text.size(); ++i) {
        auto stream = connect();
        send(*stream, text.substr(0, i));
        if (i % 2 == 0) stream->shutdownWrite();
    }
    settle_until_connections(0);
    BOOST_TEST(faults.empty());
    BOOST_TEST(is_status(exchange(get("/livez")), 200));
}

BOOST_FIXTURE_TEST_CASE(dropping_the_promise_closes_the_port, served_node) {
    listening = nullptr;
    auto address = within_time(network().parseAddress("127.0.0.1", port));
    bool refused = false;
    within_time(address->connect().then([](auto&&) {}, [&](kj::Exception&&) { refused = true; }));
    BOOST_TEST(refused);
}

BOOST_AUTO_TEST_SUITE_END()
