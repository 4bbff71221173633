// A worker that was stopped past its lease: its attempt goes to another one, and what it says afterwards is refused
// and logged. The lease is the job type's heartbeat timeout, which is shorter than what a connection is given.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "runtime/client/worker.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

constexpr const char* leased_types = "kind: JobType\n"
                                     "metadata: {name: leased}\n"
                                     "spec:\n"
                                     "  executor: worker\n"
                                     "  retry: {base: 1ms, max: 1ms}\n"
                                     "  timeouts: {heartbeat: 600ms}\n";

struct leased_node {
    leased_node() {
        BOOST_REQUIRE_EQUAL(at.run({"apply", "-f", files.write("types.yaml", leased_types)}).status, 0);
    }

    std::string submit() const {
        const outcome o = at.run({"job", "submit", "--tenant", "default", "--type", "leased"});
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return o.out.substr(0, o.out.size() - 1);
    }
    nlohmann::json job(const std::string& id) const {
        return nlohmann::json::parse(at.run({"job", "get", id, "-o", "json"}).out);
    }
    // A worker of the command line whose attempts run a shell script.
    std::unique_ptr<process> worker(const std::string& script) {
        // One that is killed at the end leaves its directory behind: it goes with our files.
        const std::string root = (files / ("worker-" + std::to_string(++workers))).string();
        std::filesystem::create_directory(root);
        return at.start({"worker", "--types", "leased", "--work-root", root, "--", "sh", "-c", script});
    }
    // The lines of the log that say so of this attempt.
    std::size_t logged(const std::string& what, const std::string& job, int attempt) const {
        std::istringstream log{at.log()};
        std::size_t found = 0;
        for (std::string line; std::getline(log, line);) {
            const auto row = nlohmann::json::parse(line, nullptr, false);
            if (row.is_discarded() || line.find(what) == std::string::npos) continue;
            if (row.value("job", "") == job && row.value("attempt", 0) == attempt) ++found;
        }
        return found;
    }

    scratch_directory files;
    node at;
    int workers = 0;
};

bool is_there(const std::filesystem::path& path) { return std::filesystem::exists(path); }

} // namespace

BOOST_AUTO_TEST_SUITE(stale)

BOOST_AUTO_TEST_CASE(the_late_result_of_a_worker_that_was_stopped_past_its_lease_is_refused_and_logged) {
    leased_node n;
    const auto started = n.files / "started", go = n.files / "go";
    client::options where;
    where.server = n.at.address();
    where.token_file = (n.at.data() / "operator.token").string();
    // One that looks at nothing while it works, so that it does not hear that its attempt was taken away.
    process first([&] {
        const auto done = client::run_worker(where, {.name = "first", .types = {"leased"}},
                                             [&](const assignment& work) -> attempt_outcome {
                                                 n.files.write("started", std::to_string(work.ref.attempt));
                                                 while (!is_there(go))
                                                     std::this_thread::sleep_for(std::chrono::milliseconds{1});
                                                 return client::succeed("first");
                                             });
        return done ? 0 : 1;
    });
    const std::string id = n.submit();
    BOOST_REQUIRE(eventually([&] { return is_there(started); }));
    first.signal(SIGSTOP);
    const auto second = n.worker("printf second");
    BOOST_REQUIRE(eventually([&] { return n.job(id)["status"] == "succeeded"; }));
    BOOST_TEST(n.logged("stale report refused", id, 1) == 0U);

    n.files.write("go", "");
    first.signal(SIGCONT);
    BOOST_REQUIRE(eventually([&] { return n.logged("stale report refused", id, 1) > 0; }));
    const auto job = n.job(id);
    BOOST_TEST(job["status"] == "succeeded");
    BOOST_TEST(job["attempts"] == 2);
    BOOST_TEST(n.at.run({"job", "result", id}).out == "second");
    BOOST_TEST(n.at.run({"metrics"}).out.find("operations_stale_reports_total 1") != std::string::npos);
    BOOST_TEST(n.at.run({"check"}).status == 0);
    BOOST_TEST(first.kill(SIGTERM) == 0); // it had been told, and drains
}

BOOST_AUTO_TEST_CASE(a_worker_that_was_stopped_past_its_lease_goes_on_with_other_work) {
    leased_node n;
    const auto started = n.files / "started";
    const auto first =
        n.worker("[ -e " + started.string() + " ] || { touch " + started.string() + "; sleep 100; }; printf first");
    const std::string id = n.submit();
    BOOST_REQUIRE(eventually([&] { return is_there(started); }));
    first->signal(SIGSTOP);
    const auto second = n.worker("printf second");
    BOOST_REQUIRE(eventually([&] { return n.job(id)["status"] == "succeeded"; }));
    BOOST_TEST(second->kill(SIGTERM) == 0);

    first->signal(SIGCONT);
    const std::string next = n.submit();
    BOOST_REQUIRE(eventually([&] { return n.job(next)["status"] == "succeeded"; }));
    BOOST_TEST(n.at.run({"job", "result", id}).out == "second");
    BOOST_TEST(n.at.run({"job", "result", next}).out == "first");
}

BOOST_AUTO_TEST_CASE(an_attempt_that_a_worker_presents_after_its_lease_is_refused_and_logged) {
    leased_node n;
    const auto started = n.files / "started";
    const auto first =
        n.worker("[ -e " + started.string() + " ] || { touch " + started.string() + "; sleep 100; }; printf first");
    const std::string id = n.submit();
    BOOST_REQUIRE(eventually([&] { return is_there(started); }));
    first->signal(SIGSTOP);
    // The node that comes back cannot tell the worker anything before it attaches.
    BOOST_REQUIRE_EQUAL(n.at.kill(SIGKILL), -SIGKILL);
    n.at.start_again();
    const auto second = n.worker("printf second");
    BOOST_REQUIRE(eventually([&] { return n.job(id)["status"] == "succeeded"; }));

    first->signal(SIGCONT);
    BOOST_REQUIRE(eventually([&] { return n.logged("stale attempt refused", id, 1) > 0; }));
    BOOST_TEST(n.job(id)["attempts"] == 2);
    BOOST_TEST(n.at.run({"job", "result", id}).out == "second");
    BOOST_TEST(second->kill(SIGTERM) == 0);
    const std::string next = n.submit();
    BOOST_REQUIRE(eventually([&] { return n.job(next)["status"] == "succeeded"; }));
    BOOST_TEST(n.at.run({"job", "result", next}).out == "first");
}

BOOST_AUTO_TEST_CASE(a_silent_worker_costs_a_job_no_more_than_one_attempt) {
    leased_node n;
    const auto started = n.files / "started";
    const auto first = n.worker("touch " + started.string() + "; sleep 100");
    const std::string id = n.submit(), waiting = n.submit();
    BOOST_REQUIRE(eventually([&] { return is_there(started); }));
    first->signal(SIGSTOP);
    // Nobody else is there: neither the job that it lost nor the one that waits goes to the one that hangs.
    BOOST_REQUIRE(eventually([&] { return n.job(id)["error"]["code"] == "timeout_heartbeat"; }));
    const auto second = n.worker("printf second");
    for (const std::string& each : {id, waiting})
        BOOST_REQUIRE(eventually([&] { return n.job(each)["status"] == "succeeded"; }));
    BOOST_TEST(n.job(id)["attempts"] == 2);
    BOOST_TEST(n.job(waiting)["attempts"] == 1);
}

BOOST_AUTO_TEST_CASE(an_attempt_keeps_its_lease_when_node_and_worker_have_found_each_other_again) {
    leased_node n;
    const auto started = n.files / "started";
    const auto worker = n.worker("touch " + started.string() + "; sleep 3; printf $JOB_ATTEMPT");
    const std::string id = n.submit();
    BOOST_REQUIRE(eventually([&] { return is_there(started); }));
    BOOST_REQUIRE_EQUAL(n.at.kill(SIGKILL), -SIGKILL);
    n.at.start_again();
    BOOST_TEST(n.at.run({"job", "watch", id}).status == 0);
    BOOST_TEST(n.job(id)["attempts"] == 1);
    BOOST_TEST(n.at.run({"job", "result", id}).out == "1");
}

BOOST_AUTO_TEST_CASE(an_attempt_of_the_node_itself_is_alive_for_as_long_as_it_says_something) {
    leased_node n;
    const std::string path =
        n.files.write("local.yaml", "kind: JobType\n"
                                    "metadata: {name: talking}\n"
                                    "spec:\n"
                                    "  executor: exec\n"
                                    "  argv: [sh, \"-c\", \"for i in 1 2 3 4 5 6; do echo $i >&2; "
                                    "sleep 0.3; done; $1\", talking, \"{{then}}\"]\n"
                                    "  attempts_max: 1\n"
                                    "  timeouts: {heartbeat: 1s}\n");
    BOOST_REQUIRE_EQUAL(n.at.run({"apply", "-f", path}).status, 0);
    const auto submit = [&](const char* payload) {
        return n.at.run(
            {"job", "submit", "--tenant", "default", "--type", "talking", "--payload", payload, "--wait"});
    };
    const outcome talks = submit(R"({"then": "true"})");
    BOOST_TEST_CONTEXT(talks.err) BOOST_TEST(talks.status == 0);
    const outcome falls_silent = submit(R"({"then": "sleep 100"})");
    BOOST_TEST(falls_silent.status == 1);
    BOOST_TEST(falls_silent.err.find("timeout_heartbeat") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
