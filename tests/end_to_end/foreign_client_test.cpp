// Users of another language: the TypeScript example against a real node.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

// Where `./dev` has built the example; in release alone.
std::string built(const std::string& name) {
    const char* given = std::getenv("COPPICE_TYPESCRIPT");
    const std::string directory = given == nullptr ? "" : given;
    BOOST_REQUIRE_MESSAGE(!directory.empty(),
                          "COPPICE_TYPESCRIPT is not set: ./dev example_typescript says what it is to be");
    return directory + "/built/src/" + name + ".js";
}

class foreigner {
  public:
    foreigner() { declare(n, "kind: JobType\nmetadata: {name: sum}\nspec: {executor: worker, attempts_max: 1}\n"); }
    std::unique_ptr<process> begin(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"/usr/bin/env", "node"});
        return std::make_unique<process>(process::options{.argv = std::move(arguments), .env = n.operator_env()});
    }
    outcome submit(const std::string& payload, const std::string& key = {}) const {
        std::vector<std::string> line{built("submit"), "default", "sum", payload};
        if (!key.empty()) line.push_back(key);
        const auto client = begin(line);
        const int status = client->wait();
        return {status, client->out(), client->err()};
    }
    std::unique_ptr<process> attached_worker() const {
        auto worker = begin({built("work"), "sum"});
        BOOST_REQUIRE_MESSAGE(eventually([&] { return contains(worker->err(), "working for jobs"); }),
                              worker->err());
        return worker;
    }

    node n;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(foreign_client_suite, foreigner, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(it_submits_and_works_and_gets_errors_as_errors) {
    const auto worker = attached_worker();
    const outcome done = submit(R"({"numbers":[1,2,39]})", "k");
    BOOST_TEST(done.status == 0, done.err);
    BOOST_TEST(done.out == "42");
    const outcome again = submit(R"({"numbers":[1,2,39]})", "k");
    BOOST_TEST((again.out == "42" && again.err == done.err)); // the same job
    const std::string id = done.err.substr(4, 36);
    const json job = job_of(n, id);
    BOOST_TEST((job["status"] == "succeeded" && job["attempts"] == 1 && job["key"] == "k"));
    BOOST_TEST(contains(n.run({"job", "logs", id}).out, "20 bytes of payload"));
    const outcome failed = submit(R"({"numbers":"none"})");
    BOOST_TEST(failed.status == 1);
    BOOST_TEST(contains(failed.err, "FAILED: the payload has no list of numbers"), failed.err);
    const outcome conflict = submit(R"({"numbers":[7]})", "k");
    BOOST_TEST(conflict.status == 1);
    BOOST_TEST(contains(conflict.err, "was used for job " + id), conflict.err);
    BOOST_TEST(worker->kill(SIGTERM) == 0, worker->err());
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_killed_leaves_its_jobs_to_the_next) {
    auto worker = attached_worker();
    const auto count = [&](const std::string& status) {
        return json::parse(n.run({"job", "list", "--status", status, "-o", "json"}).out)["jobs"].size();
    };
    std::string lines;
    for (int i = 0; i < 500; ++i)
        lines += R"({"tenant":"default","type":"sum","payload":{"numbers":[1]}})"
                 "\n";
    BOOST_TEST(n.run({"job", "submit", "-f", "-"}, lines).status == 0);
    worker->kill(SIGKILL);
    worker = attached_worker();
    BOOST_TEST(eventually([&] {
        return n.run({"job", "list", "--status", "succeeded", "-o", "json"}).status == 0 &&
               count("queued") + count("running") + count("scheduled") == 0;
    }));
    BOOST_TEST(count("failed") == 0U);
}

BOOST_AUTO_TEST_CASE(a_wrong_token_and_a_node_that_goes_away_are_said) {
    auto client = process({.argv = {"/usr/bin/env", "node", built("submit"), "default", "sum", "{}"},
                           .env = {{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", "no token"}}});
    BOOST_TEST(client.wait() == 1);
    BOOST_TEST(contains(client.err(), "code "), client.err());
    const auto worker = attached_worker();
    n.kill(SIGKILL);
    BOOST_TEST(worker->wait() == 1);
    BOOST_TEST(contains(worker->err(), "the node closed the connection"), worker->err());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
