// The executor http against a server that says what the test wants.
#include "runtime/executors/http_runner.hpp"

#include <boost/test/unit_test.hpp>
#include <netinet/in.h>

#include "runtime/executors/http_outcome.hpp"
#include "runtime/executors/public_address.hpp"
#include "tests/cluster/control/fake_endpoint.hpp"
#include "tests/runtime/executors/exec_fixture.hpp"

namespace coppice::exec_tests {
namespace {

using testing::fake_endpoint;
using testing::whole;

// What a runner's sink heard, one report an attempt.
class http_fixture {
  public:
    http_fixture()
        : runner_([this](std::vector<attempt_report> reports) {
              const std::lock_guard guard{mutex_};
              for (attempt_report& each : reports) heard_.push_back(std::move(each));
          }) {}

    static assignment work(std::uint32_t attempt = 1) {
        assignment a;
        a.ref = {job_id::make(1'800'000'000'000, shard_id{1}, tenant_id{1}, 7), attempt};
        a.tenant = "acme";
        a.type = "hook";
        a.payload = R"({"n":1})";
        a.result_bytes_max = 1000;
        return a;
    }
    static http_spec to(const std::string& url, const std::string& method = "POST") {
        return {.url = url, .method = method, .headers = {}, .private_networks = true};
    }
    attempt_report run(http_spec spec) {
        const auto started = runner_.start(work(), std::move(spec));
        BOOST_REQUIRE(started.has_value());
        return next();
    }
    attempt_report next() {
        BOOST_REQUIRE(comes_true([&] { return count() > 0; }));
        const std::lock_guard guard{mutex_};
        attempt_report first = std::move(heard_.front());
        heard_.erase(heard_.begin());
        return first;
    }
    std::size_t count() const {
        const std::lock_guard guard{mutex_};
        return heard_.size();
    }
    http_runner& runner() { return runner_; }

  private:
    mutable std::mutex mutex_;
    std::vector<attempt_report> heard_;
    http_runner runner_;
};

// A server with one answer.
struct answering : fake_endpoint {
    explicit answering(std::string answer)
        : fake_endpoint(
              [answer = std::move(answer)](const std::string&, const send_function& send) { send(answer); }) {}
};

bool has_line(const std::string& request, const std::string& line) {
    return request.find("\r\n" + line + "\r\n") != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_runner_suite)

BOOST_AUTO_TEST_CASE(the_payload_goes_out_and_the_body_comes_back_as_the_result) {
    http_fixture f;
    answering server{whole(R"({"done":true})")};
    http_spec spec = f.to(server.url() + "/hooks?x=1");
    spec.headers = {{"Authorization", "Bearer secret"}, {"user-agent", "ours"}};
    const auto report = f.run(spec);
    BOOST_REQUIRE(report.outcome.has_value());
    BOOST_TEST((report.outcome->kind == outcome_kind::succeeded));
    BOOST_TEST(report.outcome->result == R"({"done":true})");
    BOOST_REQUIRE(report.logs.size() == 1U);
    BOOST_TEST(report.logs[0].text == "POST " + server.url() + "/hooks?x=1: status 200, 13 bytes");
    const auto requests = server.requests();
    BOOST_REQUIRE(requests.size() == 1U);
    const std::string id = to_string(http_fixture::work().ref.job);
    BOOST_TEST(requests[0].starts_with("POST /hooks?x=1 HTTP/1.1\r\n"));
    for (const std::string& line : {"Idempotency-Key: " + id, "Coppice-Job: " + id,
                                    std::string{"Coppice-Attempt: 1"}, std::string{"Coppice-Tenant: acme"},
                                    std::string{"Coppice-Type: hook"}, std::string{"Authorization: Bearer secret"},
                                    std::string{"user-agent: ours"}, std::string{"Content-Type: application/json"}})
        BOOST_TEST(has_line(requests[0], line), line << " in " << requests[0]);
    BOOST_TEST(requests[0].find("User-Agent: coppice") == std::string::npos); // the type's stands in its place
    BOOST_TEST(requests[0].ends_with("\r\n\r\n{\"n\":1}"));
}

BOOST_AUTO_TEST_CASE(every_method_is_what_it_says_and_those_without_a_body_send_none) {
    http_fixture f;
    answering server{whole("")};
    for (const char* method : {"POST", "PUT", "PATCH", "GET", "DELETE"}) {
        const auto report = f.run(f.to(server.url(), method));
        BOOST_TEST((report.outcome->kind == outcome_kind::succeeded), method);
        const std::string request = server.requests().back();
        BOOST_TEST(request.starts_with(std::string{method} + " / HTTP/1.1\r\n"), request);
        const bool has_body = request.ends_with("{\"n\":1}");
        BOOST_TEST(has_body == (std::string_view{method} != "GET" && std::string_view{method} != "DELETE"));
    }
}

BOOST_AUTO_TEST_CASE(the_status_decides) {
    http_fixture f;
    struct expected_end {
        std::string status;
        bool permanent;
    };
    const std::vector<expected_end> ends{{"301 Moved", true}, {"400 Bad", true},    {"404 Not Found", true},
                                         {"408 Late", false}, {"425 Early", false}, {"429 Slow", false},
                                         {"500 Oops", false}, {"503 Busy", false}};
    for (const auto& [status, permanent] : ends) {
        answering server{whole("what went wrong\nmore", status, "Location: http://127.0.0.1:1/\r\n")};
        const auto report = f.run(f.to(server.url()));
        BOOST_TEST_CONTEXT(status) {
            BOOST_TEST((report.outcome->kind == outcome_kind::failed));
            BOOST_TEST(report.outcome->permanent == permanent);
            BOOST_TEST((report.outcome->error.code == errc::job_failed));
            BOOST_TEST(report.outcome->error.detail.starts_with("status " + status.substr(0, 3)));
            BOOST_TEST(server.requests().size() == 1U); // no redirect is followed, nothing sent again
        }
    }
}

BOOST_AUTO_TEST_CASE(a_server_says_when_to_come_again) {
    const instant now{std::chrono::seconds{1'800'000'000}};
    const auto after = [&](const std::string& text) {
        return http_outcome({.answered = true, .status = 503, .body = {}, .retry_after = text, .problem = {}}, now)
            .retry_after;
    };
    BOOST_TEST((after("7") == milliseconds{7000}));
    BOOST_TEST((after("Fri, 15 Jan 2027 08:01:00 GMT") == milliseconds{60'000}));
    BOOST_TEST((after("Fri, 15 Jan 2016 08:01:00 GMT") == milliseconds{0}));
    BOOST_TEST((after("99999999999") == milliseconds{limits::http_retry_after_max}));
    for (const char* none : {"", "-1", "soon", "7 or so"}) BOOST_TEST(!after(none).has_value(), none);
    http_fixture f;
    answering server{whole("", "429 Slow", "RETRY-after:  3 \r\n")};
    BOOST_TEST((f.run(f.to(server.url())).outcome->retry_after == milliseconds{3000}));
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_too_large_or_none_is_a_failure) {
    http_fixture f;
    answering large{whole(std::string(1001, 'x'))};
    const auto too_large = f.run(f.to(large.url()));
    BOOST_TEST((too_large.outcome->error.code == errc::result_too_large && too_large.outcome->permanent));
    answering endless{"HTTP/1.1 200 OK\r\n" + std::string(1 << 20, 'h')};
    BOOST_TEST((f.run(f.to(endless.url())).outcome->kind == outcome_kind::failed));
    answering rude{"good day\r\n\r\n"};
    BOOST_TEST((f.run(f.to(rude.url())).outcome->kind == outcome_kind::failed));
    answering silent{""};
    const auto nothing = f.run(f.to(silent.url()));
    BOOST_TEST((nothing.outcome->kind == outcome_kind::failed && !nothing.outcome->permanent));
    const auto nobody = f.run(f.to("http://127.0.0.1:1/"));
    BOOST_TEST((nobody.outcome->kind == outcome_kind::failed && !nobody.outcome->permanent));
    BOOST_TEST(nobody.outcome->error.detail.starts_with("no answer: "));
}

BOOST_AUTO_TEST_CASE(a_private_address_is_reached_only_where_the_type_allows_it) {
    http_fixture f;
    answering server{whole("")};
    http_spec spec = f.to(server.url());
    spec.private_networks = false;
    const auto report = f.run(spec);
    BOOST_TEST((report.outcome->error.code == errc::permission_denied && report.outcome->permanent));
    spec.url = "http://localhost" + server.url().substr(server.url().rfind(':')); // by name too
    BOOST_TEST((f.run(spec).outcome->error.code == errc::permission_denied));
    BOOST_TEST(server.requests().empty());
}

BOOST_AUTO_TEST_CASE(what_is_told_to_stop_stops_and_says_so_once) {
    http_fixture f;
    std::atomic<bool> over = false;
    fake_endpoint slow{[&](const std::string&, const fake_endpoint::send_function& send) {
        while (!over && send("")) std::this_thread::sleep_for(5ms);
    }};
    BOOST_REQUIRE(f.runner().start(f.work(1), f.to(slow.url())).has_value());
    BOOST_REQUIRE(f.runner().start(f.work(2), f.to(slow.url())).has_value());
    BOOST_REQUIRE(comes_true([&] { return slow.requests().size() == 2U; }));
    f.runner().cancel(f.work(1).ref);
    const auto cancelled = f.next();
    BOOST_TEST((cancelled.ref == f.work(1).ref && cancelled.outcome->kind == outcome_kind::cancelled));
    f.runner().cancel(f.work(1).ref);
    f.runner().stop();
    const auto lost = f.next();
    BOOST_TEST((lost.ref == f.work(2).ref && lost.outcome->kind == outcome_kind::lost));
    BOOST_TEST(f.count() == 0U);
    const auto late = f.runner().start(f.work(3), f.to(slow.url()));
    BOOST_TEST((!late && late.error().code == errc::unavailable));
    over = true;
}

BOOST_AUTO_TEST_CASE(public_addresses_are_those_of_the_world) {
    const auto is_public_text = [](const std::string& text) {
        sockaddr_storage any{};
        auto& four = reinterpret_cast<sockaddr_in&>(any);
        auto& six = reinterpret_cast<sockaddr_in6&>(any);
        if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1)
            any.ss_family = AF_INET;
        else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1)
            any.ss_family = AF_INET6;
        return is_public(reinterpret_cast<const sockaddr&>(any));
    };
    for (const char* good : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1",
                             "172.32.0.1", "192.167.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
                             "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8"})
        BOOST_TEST(is_public_text(good), good);
    for (const char* bad : {"0.0.0.0",
                            "10.0.0.1",
                            "100.64.0.1",
                            "127.0.0.1",
                            "127.9.9.9",
                            "169.254.169.254",
                            "172.16.0.1",
                            "172.31.255.255",
                            "192.168.1.1",
                            "192.0.2.1",
                            "198.18.0.1",
                            "203.0.113.9",
                            "224.0.0.1",
                            "240.0.0.1",
                            "255.255.255.255",
                            "::",
                            "::1",
                            "fe80::1",
                            "fc00::1",
                            "fd12::1",
                            "ff02::1",
                            "2001:db8::1",
                            "2001::1",
                            "2002:7f00:1::",
                            "64:ff9b::7f00:1",
                            "3fff::1",
                            "::ffff:127.0.0.1",
                            "::ffff:10.0.0.1",
                            "::127.0.0.1"})
        BOOST_TEST(!is_public_text(bad), bad);
    sockaddr local{};
    local.sa_family = AF_UNIX;
    BOOST_TEST(!is_public(local));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::exec_tests
