// A worker whose attempts are runs of a command: the exec runner at the end of a session.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <unistd.h>

#include "../executors/exec_fixture.hpp"
#include "runtime/client/command_worker.hpp"
#include "worker_fixture.hpp"

namespace {

using namespace coppice;
using namespace coppice::client::testing;
namespace cc = coppice::client;

using outcome = api::AttemptReport::Outcome;

struct command_fixture : worker_fixture {
    std::filesystem::path root =
        std::filesystem::temp_directory_path() / ("coppice-cw-" + std::to_string(::getpid()));
    std::unique_ptr<cc::worker> w;
    kj::Promise<void> running = nullptr;

    // Runs `script` in a shell for each attempt.
    void run(const std::string& script) {
        auto runner = cc::make_command_runner({.argv = {"/bin/sh", "-c", script},
                                               .work_root = root.string(),
                                               .warden_program = exec_tests::coppice_program()},
                                              4);
        BOOST_REQUIRE(runner.has_value());
        w = std::make_unique<cc::worker>(io, quick(node), slots(4), std::move(*runner));
        running = w->run().ignoreResult().eagerlyEvaluate(nullptr);
        BOOST_REQUIRE(attached());
    }
    ~command_fixture() {
        running = nullptr;
        w.reset();
        std::filesystem::remove_all(root);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(client_command_worker)

BOOST_FIXTURE_TEST_CASE(the_payload_goes_in_and_the_result_comes_out, command_fixture) {
    run("cat; echo line of $JOB_ID >&2");
    assign({1, 2});
    BOOST_REQUIRE(until(io, [&] { return w->figures().acknowledged == 2; }));
    for (const auto& r : reports) {
        if (r.outcome == outcome::NONE) continue;
        BOOST_TEST((r.outcome == outcome::SUCCEEDED));
        BOOST_TEST(r.result == (r.ref.job == some_job(1) ? "payload 1" : "payload 2"));
    }
    BOOST_REQUIRE(!reports.back().lines.empty());
    BOOST_TEST(reports.back().lines.back().second == "line of " + to_string(reports.back().ref.job));
}

BOOST_FIXTURE_TEST_CASE(exit_status_100_is_for_good_and_others_are_not, command_fixture) {
    std::map<job_id, bool> permanent;
    auto keep = node.answers.report;
    node.answers.report = [&, keep](auto context) -> kj::Promise<void> {
        for (const auto r : context.getParams().getReports())
            if (r.getOutcome() == outcome::FAILED) permanent[cc::read(r.getRef().getJob())] = r.getPermanent();
        return keep(context);
    };
    run("read -r line || true; case \"$line\" in *1) exit 100;; *) exit 3;; esac");
    assign({1, 2});
    BOOST_REQUIRE(until(io, [&] { return permanent.size() == 2; }));
    BOOST_TEST(permanent[some_job(1)]);
    BOOST_TEST(!permanent[some_job(2)]);
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_command_is_stopped, command_fixture) {
    run("echo up >&2; sleep 60");
    assign({1}, 0, 5000);
    BOOST_REQUIRE(reported_so_many(1));
    tell(node.answers.worker.cancelRequest(), 1);
    BOOST_REQUIRE(until(io, [&] { return w->figures().acknowledged == 1; }));
    BOOST_TEST((reports.back().outcome == outcome::CANCELLED));
}

BOOST_FIXTURE_TEST_CASE(a_worker_that_is_stopped_gives_its_commands_back, command_fixture) {
    run("echo up >&2; sleep 60");
    assign({1});
    BOOST_REQUIRE(reported_so_many(1));
    w->stop(milliseconds{2000}).wait(io.waitScope);
    BOOST_TEST((reports.back().outcome == outcome::LOST));
    BOOST_TEST(w->figures().acknowledged == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
