// Jobs that are requests, on a real node, to a server of the test's own.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cluster/control/fake_endpoint.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;
using testing::fake_endpoint;
using testing::whole;

void declare_hook(const node& n, const std::string& url, const std::string& more = {},
                  bool private_networks = true) {
    declare(n, "kind: JobType\nmetadata: {name: hook}\nspec:\n  executor: http\n  retry: {base: 10ms, max: 10ms}\n"
               "  http: {url: '" +
                   url + "', private_networks: " + (private_networks ? "true" : "false") + "}\n" + more);
}

std::string add_hook(const node& n, const std::string& payload = R"({"n":1})") {
    const outcome o = n.run({"job", "submit", "--tenant", "default", "--type", "hook", "--payload", payload});
    BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
    return first_line(o.out);
}

std::string line_of(const std::string& request, const std::string& name) {
    const auto begin = request.find("\r\n" + name + ": ");
    return begin == std::string::npos ? "" : request.substr(begin + 2, request.find("\r\n", begin + 2) - begin - 2);
}

// Answers the first request with `first`, or never where that is empty, and all others with 200.
fake_endpoint::answer_function at_second_try(std::string first) {
    return [first = std::move(first), count = std::make_shared<std::atomic<int>>(0)](
               const std::string&, const fake_endpoint::send_function& send) {
        if (count->fetch_add(1) > 0) {
            send(whole(R"({"ok":true})"));
            return;
        }
        if (!first.empty()) {
            send(first);
            return;
        }
        while (send("")) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    };
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_jobs_suite)

BOOST_AUTO_TEST_CASE(a_request_is_tried_again_with_the_same_key_and_its_answer_is_the_result) {
    const node n;
    fake_endpoint server{at_second_try(whole("busy", "503 Busy"))};
    declare_hook(n, server.url() + "/hook");
    const std::string id = add_hook(n);
    BOOST_REQUIRE(reaches(n, id, "succeeded"));
    BOOST_TEST(job_of(n, id)["attempts"] == 2);
    BOOST_TEST(job_of(n, id)["history"][0]["message"] == "status 503: busy");
    BOOST_TEST(n.run({"job", "result", id}).out == R"({"ok":true})");
    BOOST_TEST(contains(n.run({"job", "logs", id}).out, "POST " + server.url() + "/hook: status 200, 11 bytes"));
    const auto requests = server.requests();
    BOOST_REQUIRE(requests.size() == 2U);
    for (const std::string& request : requests) {
        BOOST_TEST(line_of(request, "Idempotency-Key") == "Idempotency-Key: " + id);
        BOOST_TEST(request.ends_with(R"({"n":1})"));
    }
    BOOST_TEST(line_of(requests[1], "Coppice-Attempt") == "Coppice-Attempt: 2");
    BOOST_TEST(contains(n.run({"get", "jobtype", "hook", "-o", "json"}).out, server.url()));
}

BOOST_AUTO_TEST_CASE(what_a_server_refuses_is_not_asked_again) {
    const node n;
    fake_endpoint server{at_second_try(whole("no such thing", "404 Not Found"))};
    declare_hook(n, server.url());
    const std::string id = add_hook(n);
    BOOST_REQUIRE(reaches(n, id, "failed"));
    BOOST_TEST(server.requests().size() == 1U);
    BOOST_TEST(job_of(n, id)["error"]["message"] == "status 404: no such thing");
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_answer_costs_an_attempt_its_timeout) {
    const node n;
    fake_endpoint server{at_second_try("")};
    declare_hook(n, server.url(), "  timeouts: {attempt: 500ms}\n");
    const std::string id = add_hook(n);
    BOOST_REQUIRE(reaches(n, id, "succeeded"));
    BOOST_TEST(job_of(n, id)["history"][0]["code"] == "timeout_attempt");
}

BOOST_AUTO_TEST_CASE(a_request_under_way_is_dropped_by_a_cancel_and_made_anew_after_a_kill) {
    node n;
    fake_endpoint hung{at_second_try("")};
    declare_hook(n, hung.url());
    const std::string cancelled = add_hook(n);
    BOOST_REQUIRE(eventually([&] { return hung.requests().size() == 1U; }));
    BOOST_TEST(n.run({"job", "cancel", cancelled}).status == 0);
    BOOST_TEST(reaches(n, cancelled, "cancelled"));
    fake_endpoint other{at_second_try("")};
    declare_hook(n, other.url());
    const std::string id = add_hook(n);
    // The job's own, by their key: another program may have known the port before.
    const auto made = [&] {
        auto requests = other.requests();
        std::erase_if(requests, [&](const std::string& each) {
            return line_of(each, "Idempotency-Key") != "Idempotency-Key: " + id;
        });
        return requests;
    };
    BOOST_REQUIRE(eventually([&] { return made().size() == 1U; }));
    n.kill(SIGKILL);
    n.start_again();
    BOOST_REQUIRE(reaches(n, id, "succeeded"));
    const auto requests = made();
    for (const std::string& each : requests) BOOST_TEST_MESSAGE(each);
    BOOST_REQUIRE_MESSAGE(requests.size() == 2U, requests.size() << ": " << job_of(n, id).dump());
    BOOST_TEST(line_of(requests[1], "Coppice-Attempt") == "Coppice-Attempt: 2");
}

BOOST_AUTO_TEST_CASE(an_address_that_is_not_public_is_refused_unless_the_type_allows_it) {
    const node n;
    fake_endpoint server{at_second_try(whole("secrets"))};
    declare_hook(n, server.url(), "", false);
    const std::string id = add_hook(n);
    BOOST_REQUIRE(reaches(n, id, "failed"));
    BOOST_TEST(job_of(n, id)["error"]["code"] == "permission_denied");
    BOOST_TEST(server.requests().empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
