// What was acknowledged survives kill -9: a node is killed at random moments under load and started again on the
// same directory, until every acknowledged job has ended in exactly one way. COPPICE_CRASH_ROUNDS and COPPICE_SEED.
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/end_to_end/node_process.hpp"

namespace coppice {
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

nlohmann::json job(const node_process& node, const std::string& id) {
    const auto got = node.command({"job", "get", id, "-o", "json"});
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
    node_process node;
    std::set<std::string> acknowledged;
    for (unsigned long long round = 0; round < rounds; ++round) {
        node.start();
        const std::string batch = batch_of_jobs(random, 20);
        std::thread killer{[&, wait = random() % 300] {
            std::this_thread::sleep_for(std::chrono::milliseconds{wait});
            node.kill(SIGKILL);
        }};
        const auto environment = node.environment();
        const auto submitted = run_command({coppice_binary(), "job", "submit", "-f", "-"}, environment, batch);
        killer.join();
        for (const std::string& id : lines_of(submitted.out)) acknowledged.insert(id);
    }
    node.start();
    std::size_t ended = 0;
    for (const std::string& id : acknowledged) {
        BOOST_REQUIRE_MESSAGE(node.command({"job", "watch", id}).status <= 1, "seed " << seed << ", job " << id);
        const auto found = job(node, id);
        const std::string status = found.at("status");
        BOOST_CHECK_MESSAGE(status == "succeeded" || status == "failed",
                            id << " is " << status << ", seed " << seed);
        if (status == "succeeded") {
            // The result was written by the attempt whose number the job bears: no other attempt got through.
            const auto result = node.command({"job", "result", id});
            BOOST_CHECK_EQUAL(std::stoul(result.out), found.at("attempts").get<unsigned long>());
        }
        ++ended;
    }
    BOOST_CHECK_EQUAL(ended, acknowledged.size());
    BOOST_CHECK_GT(acknowledged.size(), 0U);
    const auto check = node.command({"check"});
    BOOST_CHECK_MESSAGE(check.status == 0, check.out << check.err << " seed " << seed);
    node.kill(SIGTERM);
}

BOOST_AUTO_TEST_CASE(a_second_node_on_the_same_directory_is_refused_with_the_holders_pid) {
    node_process node;
    node.start();
    const auto second = run_command({coppice_binary(), "serve", "--data", node.data().string(), "--listen",
                                     "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"});
    BOOST_CHECK_EQUAL(second.status, 1);
    BOOST_CHECK_NE(second.err.find("data_directory_locked"), std::string::npos);
    BOOST_CHECK_NE(second.err.find("held by process "), std::string::npos);
}

BOOST_AUTO_TEST_CASE(sigterm_ends_a_node_in_order_and_its_running_job_runs_again_later) {
    node_process node;
    node.start();
    const auto submitted =
        node.command({"job", "submit", "--tenant", "default", "--type", "exec", "--payload",
                      R"({"argv":["sh","-c","test $JOB_ATTEMPT -gt 1 || sleep 100; echo again"]})"});
    BOOST_REQUIRE_EQUAL(submitted.status, 0);
    const std::string id = lines_of(submitted.out).at(0);
    while (job(node, id).at("status") != "running") std::this_thread::sleep_for(std::chrono::milliseconds{5});
    node.kill(SIGTERM);
    node.start();
    BOOST_CHECK_EQUAL(node.command({"job", "watch", id}).status, 0);
    BOOST_CHECK_EQUAL(node.command({"job", "result", id}).out.substr(0, 5), "again");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(access)

BOOST_AUTO_TEST_CASE(tokens_that_are_wrong_get_the_right_error_and_nothing_else) {
    node_process node;
    node.start();
    const auto with = [&](const std::string& token) {
        return run_command({coppice_binary(), "job", "list"},
                           {"COPPICE_SERVER=" + node.address(), "COPPICE_TOKEN=" + token});
    };
    BOOST_CHECK_NE(with("nonsense").err.find("unauthenticated"), std::string::npos);
    BOOST_CHECK_NE(with("eyJhbGciOiJub25lIn0.eyJyb2xlIjoic3JlIn0.").err.find("unauthenticated"), std::string::npos);
    const auto maintainer = node.command(
        {"token", "issue", "--role", "project-maintainer", "--tenant", "other", "--data", node.data().string()});
    BOOST_REQUIRE_EQUAL(maintainer.status, 0);
    const auto job_of_default = node.command(
        {"job", "submit", "--tenant", "default", "--type", "exec", "--payload", R"({"argv":["true"]})"});
    std::string token = lines_of(maintainer.out).at(0);
    const auto foreign = run_command({coppice_binary(), "job", "get", lines_of(job_of_default.out).at(0)},
                                     {"COPPICE_SERVER=" + node.address(), "COPPICE_TOKEN=" + token});
    BOOST_CHECK_EQUAL(foreign.status, 1);
    BOOST_CHECK_NE(foreign.err.find("not_found"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
