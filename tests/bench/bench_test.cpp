// The benches, run small: that each still measures what it promises to. Their figures are nobody's business here.
#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/wait.h>

#include "tests/end_to_end/cli_process.hpp"

namespace {

struct finished_bench {
    int status = -1;
    std::string out, said; // standard output; standard error
};

std::string read_all(FILE* from) {
    std::string all;
    std::array<char, 4096> some{};
    while (const std::size_t got = std::fread(some.data(), 1, some.size(), from)) all.append(some.data(), got);
    return all;
}

finished_bench run_bench(const std::string& arguments) {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bench";
    finished_bench done;
    FILE* said = std::tmpfile();
    BOOST_REQUIRE(said != nullptr);
    const std::string command = folder.string() + "/" + arguments + " 2>&" + std::to_string(::fileno(said));
    FILE* pipe = ::popen(command.c_str(), "r");
    BOOST_REQUIRE(pipe != nullptr);
    done.out = read_all(pipe);
    const int status = ::pclose(pipe);
    done.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::rewind(said);
    done.said = read_all(said);
    std::fclose(said);
    return done;
}

} // namespace

BOOST_AUTO_TEST_SUITE(benches)

BOOST_AUTO_TEST_CASE(the_node_bench_measures_every_row_of_the_promises) {
    const auto done = run_bench("node_bench --small --repetitions 1 --json");
    BOOST_REQUIRE_MESSAGE(done.status == 0, done.said);
    const auto report = nlohmann::json::parse(done.out);
    std::map<int, int> promises;
    for (const auto& figure : report.at("figures")) {
        BOOST_CHECK_MESSAGE(figure.at("reached").get<double>() > 0, figure.at("name") << " is nothing");
        if (figure.contains("at_least")) ++promises[figure.at("row").get<int>()];
    }
    for (int row = 1; row <= 8; ++row) BOOST_CHECK_MESSAGE(promises[row] > 0, "row " << row << " is missing");
}

BOOST_AUTO_TEST_CASE(the_node_bench_measures_the_rows_asked_for_and_no_others) {
    const auto done = run_bench("node_bench --small --repetitions 1 --json --rows 3");
    BOOST_REQUIRE_MESSAGE(done.status == 0, done.said);
    const auto printed = nlohmann::json::parse(done.out);
    for (const auto& figure : printed.at("figures")) BOOST_CHECK_EQUAL(figure.at("row").get<int>(), 3);
}

// An etcd and three nodes that a sanitizer slows down tenfold do not keep the leases' times on two processors.
BOOST_AUTO_TEST_CASE(the_cluster_bench_measures_every_row_of_the_promises,
                     *boost::unit_test::enable_if<!coppice::end_to_end::sanitized>()) {
    const auto done = run_bench("cluster_bench --small --json");
    BOOST_REQUIRE_MESSAGE(done.status == 0, done.said);
    const auto printed = nlohmann::json::parse(done.out);
    std::map<int, int> rows;
    for (const auto& figure : printed.at("figures")) ++rows[figure.at("row").get<int>()];
    for (const int row : {1, 2, 4, 5, 6, 7, 8}) BOOST_CHECK_MESSAGE(rows[row] > 0, "row " << row << " is missing");
}

BOOST_AUTO_TEST_CASE(the_jobs_bench_measures_every_row_of_the_promises) {
    const auto done = run_bench("jobs_bench --small --repetitions 1 --json");
    BOOST_REQUIRE_MESSAGE(done.status == 0, done.said);
    const auto printed = nlohmann::json::parse(done.out);
    std::map<int, int> rows;
    for (const auto& figure : printed.at("figures")) ++rows[figure.at("row").get<int>()];
    for (int row = 1; row <= 5; ++row) BOOST_CHECK_MESSAGE(rows[row] > 0, "row " << row << " is missing");
}

BOOST_AUTO_TEST_CASE(the_other_benches_run_small) {
    for (const char* bench : {"supervision_bench --small --sharing", "store_bench 1000 1000 100",
                              "client_worker_bench 10000", "json_schema_bench 1000", "metrics_bench 20",
                              "exec_bench 20", "machine_bench --jobs 1000 --backlog 1000"}) {
        const auto done = run_bench(bench);
        BOOST_CHECK_MESSAGE(done.status == 0, bench << " failed: " << done.said);
    }
}

BOOST_AUTO_TEST_SUITE_END()
