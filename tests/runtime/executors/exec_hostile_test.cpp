// Programs that do not behave.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/runtime/executors/exec_fixture.hpp"

namespace coppice::exec_tests {

namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

} // namespace

BOOST_FIXTURE_TEST_SUITE(exec_hostile, exec_fixture)

BOOST_AUTO_TEST_CASE(one_that_closes_its_pipes_and_lives_on_is_waited_for) {
    const auto ref =
        start(shell("echo result; echo line >&2; exec >&- 2>&-; while ! [ -e go ]; do sleep 0.01; done; exit 5"));
    const auto directory = work_root() + "/attempt-" + to_string(ref.job) + "-1";
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    BOOST_TEST(of(ref).outcomes.empty());
    std::ofstream(directory + "/go") << "";
    BOOST_TEST((outcome(ref).error.code == errc::exit_status));
    BOOST_TEST(outcome(ref).error.detail == "exit status 5: line");
}

BOOST_AUTO_TEST_CASE(a_grandchild_that_holds_the_pipes_delays_the_outcome_a_moment_and_is_killed) {
    const auto begin = clock::now();
    const auto ref = start(shell("sleep 1000 & echo result"));
    BOOST_TEST((outcome(ref).kind == outcome_kind::succeeded));
    BOOST_TEST(outcome(ref).result == "result\n");
    BOOST_TEST((clock::now() - begin < 20s));
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(a_grandchild_that_still_writes_in_the_pipe_grace_is_heard) {
    const auto ref = start(shell("(while [ -e /proc/$$/exe ]; do :; done; echo late) & echo early"));
    BOOST_TEST(outcome(ref).result == "early\nlate\n");
}

BOOST_AUTO_TEST_CASE(a_grandchild_without_the_pipes_is_killed_too) {
    const auto ref = start(shell("sleep 1000 >/dev/null 2>&1 & echo result"));
    BOOST_TEST((outcome(ref).kind == outcome_kind::succeeded));
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(one_that_leaves_its_session_is_found_and_killed) {
    const auto ref =
        start(shell("setsid sh -c 'sleep 1000 & setsid sleep 1000' >/dev/null 2>&1 & while ! [ $(ps -o args= -A | "
                    "grep -c '^sleep 1000$') -ge 2 ]; do sleep 0.01; done"));
    BOOST_TEST((outcome(ref).kind == outcome_kind::succeeded));
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(one_that_ignores_sigterm_is_killed_with_its_children) {
    const auto ref = start(shell("trap '' TERM HUP INT; sleep 1000 & echo up >&2; while :; do sleep 0.01; done"));
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    runner().cancel(ref, 100ms);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
    BOOST_TEST(outcome(ref).error.detail.find("SIGKILL") != std::string::npos);
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(one_that_is_stopped_can_still_be_killed) {
    const auto ref = start(shell("echo up >&2; kill -STOP $$"));
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    runner().cancel(ref, 50ms);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
}

BOOST_AUTO_TEST_CASE(one_that_writes_a_result_without_end_is_killed) {
    auto made = job({"yes"});
    made.work.result_bytes_max = 10'000;
    const auto result = run(made);
    BOOST_TEST((result.kind == outcome_kind::failed));
    BOOST_TEST((result.error.code == errc::result_too_large));
    BOOST_TEST(result.error.detail.find("10000") != std::string::npos);
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(a_result_at_the_bound_is_taken_and_one_byte_more_is_not) {
    auto made = shell("head -c 5000 /dev/zero");
    made.work.result_bytes_max = 5000;
    BOOST_TEST(run(made).result.size() == 5000U);
    made = shell("head -c 5001 /dev/zero");
    made.work.result_bytes_max = 5000;
    BOOST_TEST((run(made).error.code == errc::result_too_large));
}

BOOST_AUTO_TEST_CASE(one_that_writes_lines_without_end_is_bounded_and_does_not_starve_another) {
    const auto flood = start(shell("yes 'a line of no interest' >&2"));
    BOOST_TEST(hears(flood, [](const heard& one) {
        return std::any_of(one.logs.begin(), one.logs.end(),
                           [](const log_line& line) { return line.stream == log_stream::system; });
    }));
    for (int i = 0; i < 20; ++i) BOOST_TEST((run(job({"true"})).kind == outcome_kind::succeeded));
    runner().kill(flood);
    BOOST_TEST((outcome(flood).kind == outcome_kind::cancelled));
    std::uint64_t next = 0;
    for (const auto& line : of(flood).logs) {
        BOOST_REQUIRE(line.sequence >= next);
        BOOST_REQUIRE((line.sequence == next || line.stream == log_stream::system));
        next = line.sequence + 1;
    }
}

BOOST_AUTO_TEST_CASE(the_last_lines_of_a_flood_are_kept) {
    const auto ref = start(shell("seq 1 30000 >&2; echo the cause >&2; exit 1"));
    BOOST_TEST(outcome(ref).error.detail == "exit status 1: the cause");
    const auto lines = texts(ref);
    BOOST_REQUIRE(lines.size() > 100U);
    BOOST_TEST(lines.back() == "the cause");
    BOOST_TEST(lines[lines.size() - 2] == "30000");
    BOOST_TEST(of(ref).logs.back().sequence == 30000U);
}

BOOST_AUTO_TEST_CASE(one_that_never_reads_its_stdin_ends_as_it_likes) {
    auto made = shell("exec <&-; echo fine");
    made.stdin_bytes = std::string(limits::payload_size_max, 'x');
    BOOST_TEST(run(made).result == "fine\n");
    made = job({"sleep", "1000"});
    made.stdin_bytes = std::string(limits::payload_size_max, 'x');
    const auto ref = start(made);
    runner().kill(ref);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
}

BOOST_AUTO_TEST_CASE(one_that_fills_its_directory_while_dying_leaves_nothing) {
    const auto ref = start(shell("i=0; echo up >&2; while :; do mkdir -p d$i/e; : > d$i/e/f; i=$((i+1)); done"));
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    runner().kill(ref);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
    BOOST_TEST(comes_true([&] { return fs::is_empty(work_root()); }));
}

BOOST_AUTO_TEST_CASE(one_that_removes_its_own_directory_does_no_harm) {
    BOOST_TEST((run(shell("rm -rf \"$JOB_WORKDIR\"")).kind == outcome_kind::succeeded));
    BOOST_TEST((run(job({"true"})).kind == outcome_kind::succeeded));
}

BOOST_AUTO_TEST_CASE(orphans_that_end_while_the_job_runs_are_reaped) {
    const auto ref =
        start(shell("i=0; while [ $i -lt 20 ]; do (true &) ; i=$((i+1)); done; echo up >&2; sleep 1000"));
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    const auto warden = std::to_string(runner().warden_pid());
    // The job's shell and nothing else, no zombie either, is the warden's child.
    BOOST_TEST(comes_true([&] {
        const auto children = read_whole("/proc/" + warden + "/task/" + warden + "/children");
        return std::count(children.begin(), children.end(), ' ') == 1;
    }));
    runner().kill(ref);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::exec_tests
