// What was acknowledged survives kill -9: a node is killed at random moments under load and started again on the
// same directory, until every acknowledged job has ended in exactly one way. COPPICE_CRASH_ROUNDS and COPPICE_SEED.
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

unsigned long long number_from_environment(const char* name, unsigned long long otherwise) {
    const char* given = std::getenv(name);
    return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);)
        if (!line.empty()) lines.push_back(line);
    return lines;
}

std::string batch_of_jobs(std::mt19937_64& random, std::size_t count) {
    std::string lines;
    for (std::size_t i = 0; i < count; ++i) {
        const bool fails = random() % 8 == 0;
        lines += R"({"tenant":"default","type":"exec","payload":{"argv":["sh","-c","sleep 0.0)" +
                 std::to_string(random() % 5) + (fails ? "; exit 100" : "; echo $JOB_ATTEMPT") +
                 R"("]},"priority":)" + std::to_string(1 + random() % 5) + "}\n";
    }
    return lines;
}

nlohmann::json job(const node& n, const std::string& id) {
    const auto got = n.run({"job", "get", id, "-o", "json"});
    BOOST_REQUIRE_MESSAGE(got.status == 0, got.err);
    return nlohmann::json::parse(got.out);
}

} // namespace

BOOST_AUTO_TEST_SUITE(crash)

BOOST_AUTO_TEST_CASE(no_acknowledged_job_is_lost_or_ends_twice_when_the_node_is_killed) {
    const auto seed = number_from_environment("COPPICE_SEED", std::random_device{}());
    const auto rounds = number_from_environment("COPPICE_CRASH_ROUNDS", 10);
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random{seed};
    node n;
    std::set<std::string> acknowledged;
    for (unsigned long long round = 0; round < rounds; ++round) {
        const auto submit = n.start({"job", "submit", "-f", "-"}, true);
        submit->write(batch_of_jobs(random, 20));
        submit->close_stdin();
        std::this_thread::sleep_for(std::chrono::milliseconds{random() % 300});
        BOOST_REQUIRE_EQUAL(n.kill(SIGKILL), -SIGKILL);
        n.start_again();
        submit->wait();
        for (const std::string& id : lines_of(submit->out())) acknowledged.insert(id);
    }
    std::size_t ended = 0;
    for (const std::string& id : acknowledged) {
        BOOST_REQUIRE_MESSAGE(n.run({"job", "watch", id}).status <= 1, "seed " << seed << ", job " << id);
        const auto found = job(n, id);
        const std::string status = found.at("status");
        BOOST_CHECK_MESSAGE(status == "succeeded" || status == "failed",
                            id << " is " << status << ", seed " << seed);
        if (status == "succeeded") {
            // The result was written by the attempt whose number the job bears: no other attempt got through.
            const auto result = n.run({"job", "result", id});
            BOOST_CHECK_EQUAL(std::stoul(result.out), found.at("attempts").get<unsigned long>());
        }
        ++ended;
    }
    BOOST_CHECK_EQUAL(ended, acknowledged.size());
    BOOST_CHECK_GT(acknowledged.size(), 0U);
    const auto check = n.run({"check"});
    BOOST_CHECK_MESSAGE(check.status == 0, check.out << check.err << " seed " << seed);
}

BOOST_AUTO_TEST_CASE(a_second_node_on_the_same_directory_is_refused_with_the_holders_pid) {
    const node n;
    const auto second =
        n.run({"serve", "--data", n.data().string(), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"});
    BOOST_CHECK_EQUAL(second.status, 1);
    BOOST_CHECK_NE(second.err.find("data_directory_locked"), std::string::npos);
    BOOST_CHECK_NE(second.err.find("held by process "), std::string::npos);
}

BOOST_AUTO_TEST_CASE(sigterm_ends_a_node_in_order_and_its_running_job_runs_again_later) {
    node n;
    const auto submitted = n.run({"job", "submit", "--tenant", "default", "--type", "exec", "--payload",
                                  R"({"argv":["sh","-c","test $JOB_ATTEMPT -gt 1 || sleep 100; echo again"]})"});
    BOOST_REQUIRE_EQUAL(submitted.status, 0);
    const std::string id = lines_of(submitted.out).at(0);
    BOOST_REQUIRE(eventually([&] { return job(n, id).at("status") == "running"; }));
    BOOST_CHECK_EQUAL(n.stop(), 0);
    n.start_again();
    BOOST_CHECK_EQUAL(n.run({"job", "watch", id}).status, 0);
    BOOST_CHECK_EQUAL(n.run({"job", "result", id}).out.substr(0, 5), "again");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(access)

BOOST_AUTO_TEST_CASE(tokens_that_are_wrong_get_the_right_error_and_nothing_else) {
    const node n;
    const auto with = [&](const std::string& token, std::vector<std::string> arguments) {
        return n.run_as({{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", token}}, std::move(arguments));
    };
    BOOST_CHECK_NE(with("nonsense", {"job", "list"}).err.find("unauthenticated"), std::string::npos);
    BOOST_CHECK_NE(with("eyJhbGciOiJub25lIn0.eyJyb2xlIjoic3JlIn0.", {"job", "list"}).err.find("unauthenticated"),
                   std::string::npos);
    const auto maintainer =
        n.run({"token", "issue", "--role", "project-maintainer", "--tenant", "other", "--data", n.data().string()});
    BOOST_REQUIRE_EQUAL(maintainer.status, 0);
    const auto job_of_default =
        n.run({"job", "submit", "--tenant", "default", "--type", "exec", "--payload", R"({"argv":["true"]})"});
    const auto foreign = with(lines_of(maintainer.out).at(0), {"job", "get", lines_of(job_of_default.out).at(0)});
    BOOST_CHECK_EQUAL(foreign.status, 1);
    BOOST_CHECK_NE(foreign.err.find("not_found"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
