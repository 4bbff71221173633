// Who gets in with which token, and what it then may do.
#include <boost/test/unit_test.hpp>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

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
    const auto foreign = with(first_line(maintainer.out), {"job", "get", first_line(job_of_default.out)});
    BOOST_CHECK_EQUAL(foreign.status, 1);
    BOOST_CHECK_NE(foreign.err.find("not_found"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_workers_token_lets_it_work_and_nothing_else) {
    const node n;
    const scratch_directory files;
    const std::string types =
        files.write("w.yaml", "kind: JobType\nmetadata: {name: upper}\nspec: {executor: worker}\n");
    BOOST_REQUIRE_EQUAL(n.run({"apply", "-f", types}).status, 0);
    const outcome issued = n.run({"token", "issue", "--role", "worker", "--data", n.data().string()});
    BOOST_TEST_CONTEXT(issued.err) BOOST_REQUIRE_EQUAL(issued.status, 0);
    const environment as_worker{{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", first_line(issued.out)}};
    process worker({.argv = {program(), "worker", "--types", "upper", "--", "tr", "a-z", "A-Z"}, .env = as_worker});
    const outcome done =
        n.run({"job", "submit", "--tenant", "default", "--type", "upper", "--payload", "\"leaf\"", "--wait"});
    BOOST_TEST_CONTEXT(done.err << worker.err()) BOOST_TEST(done.status == 0);
    for (const char* command : {"list", "get"}) {
        std::vector<std::string> arguments{"job", command};
        if (std::string{command} == "get") arguments.push_back(first_line(done.out));
        const outcome denied = n.run_as(as_worker, std::move(arguments));
        BOOST_TEST(denied.status == 1);
        BOOST_TEST(contains(denied.err, "permission_denied"));
    }
    BOOST_TEST(worker.kill(SIGTERM) == 0);
    const outcome unknown = n.run({"token", "issue", "--role", "nobody", "--data", n.data().string()});
    BOOST_TEST(unknown.status == 2);
    BOOST_TEST(contains(unknown.err, "worker}")); // the roles that there are
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
