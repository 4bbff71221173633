// Results that are too large for the node's tables, in a directory and in a bucket.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"
#include "tests/runtime/results/s3_server.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

// Writes as many bytes as its payload says.
const std::string result_types =
    "kind: JobType\nmetadata: {name: bytes}\nspec:\n  executor: exec\n"
    "  argv: [sh, -c, 'head -c \"$1\" /dev/zero | tr \"\\0\" x', sh, '{{count}}']\n"
    "  attempts_max: 1\n  result_max_bytes: 8MiB\n---\n"
    "kind: JobType\nmetadata: {name: sizes}\nspec:\n  executor: exec\n"
    "  argv: [sh, -c, 'cat \"$JOB_PARENTS\" | wc -c']\n---\n"
    "kind: JobType\nmetadata: {name: echo}\nspec: {executor: worker, result_max_bytes: 8MiB}\n---\n"
    "kind: JobType\nmetadata: {name: giant}\nspec: {executor: worker, result_max_bytes: 8MiB, attempts_max: 1}\n";

// Three thousand lines, five hundred at a time, so that none is dropped on the way.
const std::string talk_type =
    "kind: JobType\nmetadata: {name: talk}\nspec:\n  executor: exec\n  attempts_max: 1\n"
    "  logs: {lines: 100, stored: 10MiB}\n"
    "  argv: [sh, -c, 'for i in 0 1 2 3 4 5; do seq -f \"line %.0f\" $((i * 500)) $((i * 500 + 499)) >&2; "
    "sleep 0.3; done']\n";

void require_all_lines(const outcome& log) {
    BOOST_TEST(!contains(log.err, "dropped"), log.err);
    std::istringstream all{log.out};
    int count = 0;
    for (std::string line; std::getline(all, line); ++count)
        BOOST_REQUIRE_MESSAGE(line.ends_with(" err line " + std::to_string(count)), line);
    BOOST_TEST(count == 3000);
}

const std::string acme_too = "---\nkind: Tenant\nmetadata: {name: acme}\nspec: {types: ['*']}\n";

std::string add_bytes(const node& n, std::size_t count) {
    const outcome o = n.run({"job", "submit", "--tenant", "default", "--type", "bytes", "--payload",
                             json{{"count", std::to_string(count)}}.dump()});
    BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
    return first_line(o.out);
}

std::size_t files_in(const std::filesystem::path& root) {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator(root))
        count += each.is_regular_file() && each.path().filename() != "owner" ? 1 : 0;
    return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(results_suite)

BOOST_AUTO_TEST_CASE(lines_that_the_tables_do_not_keep_go_to_the_result_store) {
    const scratch_directory files;
    const std::filesystem::path results = files / "results";
    node n({.flags = {"--config", files.write("node.yaml", "results: {directory: '" + results.string() + "'}\n")}});
    declare(n, talk_type);
    const std::string id = first_line(n.run({"job", "submit", "--tenant", "default", "--type", "talk"}).out);
    BOOST_REQUIRE(reaches(n, id, "succeeded"));
    const outcome log = n.run({"job", "logs", id});
    require_all_lines(log);
    BOOST_TEST(files_in(results) > 1U);
    // They are still there after a restart, and no more when their job is not.
    BOOST_REQUIRE(n.stop() == 0);
    n.start_again();
    BOOST_TEST(n.run({"job", "logs", id}).out == log.out);
    BOOST_REQUIRE(n.run({"job", "delete", id}).status == 0);
    BOOST_TEST(eventually([&] { return files_in(results) == 0U; }));
    const outcome wrong =
        n.run({"apply", "-f", "-"}, "kind: JobType\nmetadata: {name: x}\nspec: {executor: worker, "
                                    "logs: {bytes: 1MiB, stored: 10MiB}}\n");
    BOOST_TEST(contains(wrong.err + wrong.out, "does not go with stored"), wrong.err + wrong.out);
}

BOOST_AUTO_TEST_CASE(large_results_are_kept_in_a_directory_and_go_with_their_jobs) {
    const scratch_directory files;
    const std::filesystem::path results = files / "results";
    node n({.flags = {"--config", files.write("node.yaml", "results: {above_bytes: 100KiB, directory: '" +
                                                               results.string() + "'}\n")}});
    declare(n, result_types);
    const std::string large = add_bytes(n, 3'000'000), small = add_bytes(n, 50'000);
    BOOST_REQUIRE(reaches(n, large, "succeeded"));
    BOOST_REQUIRE(reaches(n, small, "succeeded"));
    BOOST_TEST(files_in(results) == 1U);
    BOOST_TEST(job_of(n, large)["result_size"] == 3'000'000);
    BOOST_TEST((n.run({"job", "result", large}).out == std::string(3'000'000, 'x')));
    BOOST_TEST((n.run({"job", "result", small}).out == std::string(50'000, 'x')));
    BOOST_TEST(contains(n.run({"metrics"}).out, "operations_results_stored_bytes_total 3000000\n"));

    // A child is handed what its parent left there.
    const std::string parent = add_bytes(n, 200'000);
    const std::string child =
        first_line(n.run({"job", "submit", "--tenant", "default", "--type", "sizes", "--after", parent}).out);
    BOOST_REQUIRE(reaches(n, child, "succeeded"));
    BOOST_TEST(std::stoul(n.run({"job", "result", child}).out) > 200'000U);

    // A worker's, too.
    const auto worker = n.start({"worker", "--types", "echo", "--", "cat"});
    const std::string echoed = first_line(n.run({"job", "submit", "--tenant", "default", "--type", "echo",
                                                 "--payload", json(std::string(120'000, 'w')).dump(), "--wait"})
                                              .out);
    BOOST_REQUIRE(reaches(n, echoed, "succeeded"));
    BOOST_TEST(files_in(results) == 3U);
    BOOST_TEST(n.run({"job", "result", echoed}).out.size() == 120'002U);

    // As large as they get, and several at once.
    const auto giant = n.start({"worker", "--types", "giant", "--slots", "4", "--", "sh", "-c",
                                "cat >/dev/null; head -c 8000000 /dev/zero"});
    std::vector<std::string> giants;
    for (int i = 0; i < 4; ++i)
        giants.push_back(first_line(n.run({"job", "submit", "--tenant", "default", "--type", "giant"}).out));
    for (const std::string& id : giants) {
        BOOST_TEST(reaches(n, id, "succeeded"));
        BOOST_TEST(n.run({"job", "result", id}).out.size() == 8'000'000U);
        BOOST_TEST(n.run({"job", "delete", id}).status == 0);
    }

    n.kill(SIGKILL);
    n.start_again();
    BOOST_TEST((n.run({"job", "result", large}).out == std::string(3'000'000, 'x')));
    BOOST_TEST(n.run({"doctor"}).status == 0);
    BOOST_TEST(n.run({"job", "delete", large}).status == 0);
    BOOST_TEST(eventually([&] { return files_in(results) == 2U; }));

    const std::string broken = add_bytes(n, 200'000);
    BOOST_REQUIRE(reaches(n, broken, "succeeded"));
    std::filesystem::remove_all(results);
    const outcome gone = n.run({"job", "result", broken});
    BOOST_TEST(gone.status == 1);
    BOOST_TEST(contains(gone.err, "store_damaged"), gone.err);
}

BOOST_AUTO_TEST_CASE(without_a_result_store_a_result_has_a_mebibyte) {
    const node n;
    declare(n, result_types);
    const std::string fits = add_bytes(n, 1024 * 1024), does_not = add_bytes(n, 1024 * 1024 + 1);
    BOOST_REQUIRE(reaches(n, fits, "succeeded"));
    BOOST_REQUIRE(reaches(n, does_not, "failed"));
    BOOST_TEST(job_of(n, does_not)["error"]["code"] == "result_too_large");
}

BOOST_AUTO_TEST_CASE(a_bucket_that_is_away_holds_up_only_what_the_tables_cannot_take) {
    testing::s3_server server;
    const scratch_directory files;
    const std::string secret = files.write("secret", "secret/with+signs\n");
    node n({.flags = {"--config", files.write("node.yaml", "results:\n  above_bytes: 100KiB\n  s3: {endpoint: '" +
                                                               server.url() +
                                                               "', region: eu-test-1, bucket: results, "
                                                               "prefix: here/, access_key: AKTEST, "
                                                               "secret_key_file: '" +
                                                               secret + "'}\n")}});
    declare(n, result_types);
    const std::string first = add_bytes(n, 300'000);
    BOOST_REQUIRE(reaches(n, first, "succeeded"));
    BOOST_TEST((n.run({"job", "result", first}).out == std::string(300'000, 'x')));
    BOOST_REQUIRE(server.objects().size() == 1U);
    BOOST_TEST(server.objects().begin()->first.starts_with("here/"));
    BOOST_TEST(server.refusals().empty());

    server.fail(-1);
    const std::string large = add_bytes(n, 2'000'000), medium = add_bytes(n, 400'000);
    BOOST_REQUIRE(reaches(n, medium, "succeeded")); // into the tables
    BOOST_TEST((n.run({"job", "result", medium}).out == std::string(400'000, 'x')));
    BOOST_TEST(job_of(n, large)["status"] == "running");
    const outcome away = n.run({"job", "result", first});
    BOOST_TEST(contains(away.err, "status 503: SlowDown"), away.err);
    const std::string child =
        first_line(n.run({"job", "submit", "--tenant", "default", "--type", "sizes", "--after", first}).out);
    server.fail(0);
    BOOST_REQUIRE(reaches(n, large, "succeeded"));
    BOOST_REQUIRE(reaches(n, child, "succeeded")); // it went back, and was tried again
    BOOST_TEST((n.run({"job", "result", large}).out == std::string(2'000'000, 'x')));
    BOOST_TEST(n.run({"job", "delete", first, large}).status == 0);
    BOOST_TEST(eventually([&] { return server.objects().empty(); }));
    BOOST_TEST(n.stop() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_results, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(any_node_gives_and_takes_what_all_share_and_a_takeover_changes_nothing) {
    const scratch_directory files;
    const std::filesystem::path results = files / "results";
    cluster_under_test c;
    for (std::size_t i = 0; i < 3; ++i) {
        c.restart_with(i, "cluster:\n",
                       "results: {above_bytes: 10KiB, directory: '" + results.string() + "'}\ncluster:\n");
        BOOST_REQUIRE(c.all_in_sync(3));
    }
    const outcome applied =
        c.run(0, {"apply", "-f", c.files().write("types.yaml", result_types + "---\n" + talk_type + acme_too)});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    const auto add = [&](std::size_t at, std::vector<std::string> more) {
        std::vector<std::string> line{"job", "submit", "--tenant", "acme", "--wait"};
        line.insert(line.end(), more.begin(), more.end());
        const outcome o = c.run(at, line);
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        return first_line(o.out);
    };
    const std::string large = add(0, {"--type", "bytes", "--payload", R"({"count":"2000000"})"});
    const std::string parent = add(1, {"--type", "bytes", "--payload", R"({"count":"100000"})"});
    BOOST_TEST(files_in(results) == 2U);
    const std::string talked = add(2, {"--type", "talk"});
    for (const std::size_t at : {0, 1, 2}) require_all_lines(c.run(at, {"job", "logs", talked}));
    const std::size_t before = c.primary();
    c.kill(before, SIGKILL);
    const std::size_t now = c.primary(before);
    for (const std::size_t at : {now, 3 - before - now})
        BOOST_TEST((c.run(at, {"job", "result", large}).out == std::string(2'000'000, 'x')));
    const std::string child = add(now, {"--type", "sizes", "--after", parent});
    BOOST_TEST(std::stoul(c.run(now, {"job", "result", child}).out) > 100'000U);
    require_all_lines(c.run(now, {"job", "logs", talked}));
    BOOST_TEST(c.run(3 - before - now, {"job", "delete", large, talked}).status == 0);
    BOOST_TEST(eventually([&] { return files_in(results) == 1U; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
