#include "runtime/executors/exec_runner.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/runtime/executors/exec_fixture.hpp"

namespace coppice::exec_tests {

namespace {

namespace fs = std::filesystem;

void check_failed(const attempt_outcome& outcome, errc code, const std::string& words, bool permanent = false) {
    BOOST_TEST((outcome.kind == outcome_kind::failed));
    BOOST_TEST(to_string(outcome.error.code) == to_string(code));
    BOOST_TEST(outcome.error.detail.find(words) != std::string::npos, outcome.error.detail);
    BOOST_TEST(outcome.permanent == permanent);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(exec_runners, exec_fixture)

BOOST_AUTO_TEST_CASE(stdout_of_a_program_that_exits_with_0_is_the_result_byte_for_byte) {
    auto made = job({"cat"});
    made.stdin_bytes = std::string("a\0b\xFF\n", 5);
    const auto outcome = run(made);
    BOOST_TEST((outcome.kind == outcome_kind::succeeded));
    BOOST_TEST((outcome.result == made.stdin_bytes));
}

BOOST_AUTO_TEST_CASE(a_large_stdin_arrives_whole) {
    auto made = job({"wc", "-c"});
    made.stdin_bytes = std::string(limits::payload_size_max, 'x');
    BOOST_TEST(run(made).result == std::to_string(limits::payload_size_max) + "\n");
}

BOOST_AUTO_TEST_CASE(an_exit_status_fails_the_attempt_with_the_last_line_of_stderr) {
    const auto ref = start(shell("echo first >&2; echo 'disk is full' >&2; exit 3"));
    check_failed(outcome(ref), errc::exit_status, "exit status 3: disk is full");
    BOOST_TEST((texts(ref) == std::vector<std::string>{"first", "disk is full"}));
}

BOOST_AUTO_TEST_CASE(exit_status_100_is_permanent_and_75_is_tried_again) {
    check_failed(run(shell("exit 100")), errc::exit_status, "exit status 100", true);
    check_failed(run(shell("exit 75")), errc::exit_status, "exit status 75", false);
}

BOOST_AUTO_TEST_CASE(a_signal_is_named) {
    check_failed(run(shell("kill -SEGV $$")), errc::killed_by_signal, "killed by signal 11 (SIGSEGV)");
}

BOOST_AUTO_TEST_CASE(a_program_that_cannot_be_started_fails_for_good_and_is_named) {
    check_failed(run(job({"no-such-program"})), errc::exec_failed, "no-such-program: No such file", true);
    check_failed(run(job({"/no/such/program"})), errc::exec_failed, "/no/such/program: No such file", true);
    check_failed(run(job({"/etc/passwd"})), errc::exec_failed, "/etc/passwd: Permission denied", true);
}

BOOST_AUTO_TEST_CASE(a_file_without_a_format_is_not_given_to_a_shell) {
    const auto script = work_root() + "/script";
    std::ofstream(script) << "echo from a shell\n";
    fs::permissions(script, fs::perms::owner_all);
    check_failed(run(job({script})), errc::exec_failed, "Exec format error", true);
}

BOOST_AUTO_TEST_CASE(arguments_reach_the_program_as_they_are) {
    const auto outcome = run(job({"/usr/bin/printf", "<%s>", "a b", "", "$HOME", "*", "\n'"}));
    BOOST_TEST(outcome.result == "<a b><><$HOME><*><\n'>");
}

BOOST_AUTO_TEST_CASE(the_environment_is_small_and_says_what_the_job_is) {
    ::setenv("COPPICE_SECRET", "not for jobs", 1);
    reopen();
    auto made = job({"env"});
    made.env = {{"EXTRA", "1=2"}, {"JOB_ID", "forged"}, {"LANG", "de_DE.UTF-8"}};
    const auto id = to_string(made.work.ref.job);
    const auto workdir = work_root() + "/attempt-" + id + "-1";
    std::set<std::string> lines;
    std::istringstream all(run(made).result);
    for (std::string line; std::getline(all, line);) lines.insert(line);
    const std::set<std::string> wanted{"PATH=/usr/local/bin:/usr/bin:/bin",
                                       "HOME=" + workdir,
                                       "TMPDIR=" + workdir,
                                       "LANG=de_DE.UTF-8",
                                       "EXTRA=1=2",
                                       "JOB_ID=" + id,
                                       "JOB_ATTEMPT=1",
                                       "JOB_TENANT=" + mark(),
                                       "JOB_TYPE=test",
                                       "JOB_WORKDIR=" + workdir,
                                       "JOB_SLOTS=1"};
    BOOST_TEST(lines == wanted, boost::test_tools::per_element());
    ::unsetenv("COPPICE_SECRET");
}

BOOST_AUTO_TEST_CASE(a_program_holds_no_descriptor_but_its_three) {
    // The fourth is the directory that ls itself reads.
    BOOST_TEST(run(job({"ls", "/proc/self/fd"})).result == "0\n1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_program_starts_with_default_signals_none_blocked_in_a_session_of_its_own) {
    const auto status =
        run(shell("grep -E '^Sig(Blk|Ign)|^ShdPnd' /proc/self/status; ps -o pid=,pgid=,sid= -p $$")).result;
    BOOST_TEST(status.find("SigBlk:\t0000000000000000") != std::string::npos, status);
    // 32 and 33 are glibc's own; posix_spawn ignores them in every child.
    const auto ignored = std::stoull(status.substr(status.find("SigIgn:") + 7), nullptr, 16);
    BOOST_TEST((ignored & ~0x180000000ULL) == 0U, status);
    std::istringstream words(status.substr(status.rfind('\n', status.size() - 2) + 1));
    int pid = 0;
    int group = -1;
    int session = -2;
    words >> pid >> group >> session;
    BOOST_TEST(pid == group);
    BOOST_TEST(pid == session);
}

BOOST_AUTO_TEST_CASE(limits_are_in_force) {
    auto made = shell("ulimit -t; ulimit -v; ulimit -n; ulimit -c");
    made.rlimits = {7, std::uint64_t{1} << 30, 0, 99};
    BOOST_TEST(run(made).result == "7\n1048576\n99\n0\n");
    auto busy = shell("while :; do :; done");
    busy.rlimits.cpu_seconds = 1;
    check_failed(run(busy), errc::killed_by_signal, "SIGXCPU");
}

BOOST_AUTO_TEST_CASE(the_results_of_its_parents_lie_in_a_file) {
    auto made = shell("cat \"$JOB_PARENTS\"");
    const auto first = job_id::make(1, shard_id{1}, tenant_id{1}, 71);
    const auto second = job_id::make(1, shard_id{1}, tenant_id{1}, 72);
    made.work.parents = {{first, "extract", "{\"rows\":\n3}\xFF", false}, {second, "load", "", true}};
    std::istringstream lines(run(made).result);
    std::string line;
    std::getline(lines, line);
    auto parent = nlohmann::json::parse(line);
    BOOST_TEST(parent["id"] == to_string(first));
    BOOST_TEST(parent["type"] == "extract");
    BOOST_TEST(parent["result"] == "{\"rows\":\n3}\xEF\xBF\xBD");
    std::getline(lines, line);
    parent = nlohmann::json::parse(line);
    BOOST_TEST(parent["id"] == to_string(second));
    BOOST_TEST(parent["truncated"] == true);
    BOOST_TEST(!parent.contains("result"));
    BOOST_TEST(!std::getline(lines, line));
}

BOOST_AUTO_TEST_CASE(what_an_earlier_attempt_left_lies_in_a_file) {
    const std::string script = "cat \"${JOB_CHECKPOINT:-/dev/null}\"";
    BOOST_TEST(run(shell(script)).result == "");
    auto made = shell(script);
    made.work.checkpoint = std::string{"row 7\n\0\xFF", 8};
    BOOST_TEST(run(made).result == made.work.checkpoint);
}

BOOST_AUTO_TEST_CASE(the_working_directory_is_the_attempts_own_and_goes_with_all_in_it) {
    const auto where = run(shell("mkdir -p a/b; echo x > a/b/c; ln -s / root; pwd")).result;
    BOOST_TEST(where.starts_with(work_root() + "/attempt-"), where);
    BOOST_TEST(comes_true([&] { return fs::is_empty(work_root()); }));
}

BOOST_AUTO_TEST_CASE(lines_and_progress_arrive_while_the_program_runs) {
    const auto ref = start(shell("echo started >&2; echo '::progress 0.42 nearly half' >&2; sleep 1000"));
    BOOST_TEST(hears(ref, [](const heard& one) { return !one.logs.empty() && !one.progresses.empty(); }));
    const auto so_far = of(ref);
    BOOST_TEST(so_far.outcomes.empty());
    BOOST_TEST(so_far.logs[0].text == "started");
    BOOST_TEST((so_far.logs[0].at != never));
    BOOST_TEST(so_far.progresses[0].fraction == 0.42);
    BOOST_TEST(so_far.progresses[0].text == "nearly half");
    runner().kill(ref);
    BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
}

BOOST_AUTO_TEST_CASE(an_outcome_comes_once_and_with_the_last_lines_in_one_report) {
    const auto ref = start(shell("echo a >&2; echo '::progress 1' >&2; printf last >&2"));
    BOOST_TEST((outcome(ref).kind == outcome_kind::succeeded));
    runner().stop(0ms);
    const auto all = of(ref);
    BOOST_TEST(all.reports == 1U);
    BOOST_TEST(all.outcomes.size() == 1U);
    BOOST_TEST(all.logs.size() == 2U);
    BOOST_TEST(all.progresses.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_cancelled_program_may_end_itself_or_is_killed_after_the_grace) {
    const auto polite = start(shell("trap 'echo bye >&2; exit 9' TERM; echo up >&2; while :; do sleep 0.01; done"));
    BOOST_TEST(hears(polite, [](const heard& one) { return !one.logs.empty(); }));
    runner().cancel(polite, 60s);
    BOOST_TEST((outcome(polite).kind == outcome_kind::cancelled));
    BOOST_TEST((outcome(polite).error.code == errc::cancelled));
    BOOST_TEST(texts(polite).back() == "bye");
    const auto successful =
        start(shell("trap 'echo done; exit 0' TERM; echo up >&2; while :; do sleep 0.01; done"));
    BOOST_TEST(hears(successful, [](const heard& one) { return !one.logs.empty(); }));
    runner().cancel(successful, 60s);
    BOOST_TEST((outcome(successful).kind == outcome_kind::succeeded));
    BOOST_TEST(outcome(successful).result == "done\n");
}

BOOST_AUTO_TEST_CASE(a_cancel_right_after_the_start_is_not_lost) {
    for (int i = 0; i < 20; ++i) {
        const auto ref = start(job({"sleep", "1000"}));
        runner().cancel(ref, 60s);
        BOOST_TEST((outcome(ref).kind == outcome_kind::cancelled));
    }
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(an_attempt_that_runs_too_long_times_out) {
    auto made = shell("echo waiting >&2; sleep 1000");
    made.work.attempt_timeout = 300ms;
    const auto ref = start(made);
    const auto over = outcome(ref);
    // On a busy machine the shell may not have come to its first word.
    const bool spoke = !texts(ref).empty();
    check_failed(over, errc::timeout_attempt, spoke ? "ran longer than 300ms: waiting" : "ran longer than 300ms");
    BOOST_TEST(comes_true([&] { return processes_marked(mark()).empty(); }));
}

BOOST_AUTO_TEST_CASE(stopping_ends_what_runs_as_lost_and_refuses_what_comes_after) {
    const auto plain = start(job({"sleep", "1000"}));
    const auto stubborn = start(shell("trap '' TERM; echo up >&2; while :; do sleep 0.01; done"));
    BOOST_TEST(hears(stubborn, [](const heard& one) { return !one.logs.empty(); }));
    runner().stop(100ms);
    BOOST_TEST((outcome(plain).kind == outcome_kind::lost));
    BOOST_TEST((outcome(stubborn).kind == outcome_kind::lost));
    BOOST_TEST(runner().under_way() == 0U);
    const auto late = runner().start(job({"true"}));
    BOOST_REQUIRE(!late.has_value());
    BOOST_TEST((late.error().code == errc::unavailable));
    BOOST_TEST(processes_marked(mark()).empty());
}

BOOST_AUTO_TEST_CASE(a_start_that_can_never_run_is_refused_at_once) {
    const auto refused = [&](exec_job made) {
        const auto started = runner().start(std::move(made));
        return started ? errc::ok : started.error().code;
    };
    BOOST_TEST((refused(job({})) == errc::invalid_argument));
    BOOST_TEST((refused(job({""})) == errc::invalid_argument));
    BOOST_TEST((refused(job({"echo", std::string("a\0b", 3)})) == errc::invalid_argument));
    BOOST_TEST(
        (refused(job({"echo", std::string(limits::exec_argument_size_max + 1, 'x')})) == errc::invalid_argument));
    const std::string large(100'000, 'x');
    BOOST_TEST((refused(job({"echo", large, large})) == errc::invalid_argument));
    auto bad_env = job({"true"});
    bad_env.env = {{"A=B", "c"}};
    BOOST_TEST((refused(bad_env) == errc::invalid_argument));
    const auto running = job({"sleep", "1000"});
    BOOST_TEST((refused(running) == errc::ok));
    BOOST_TEST((refused(running) == errc::already_exists));
}

BOOST_AUTO_TEST_CASE(the_largest_command_line_that_is_accepted_runs) {
    const std::string large(limits::exec_argument_size_max - 8, 'x');
    auto made = job({"/usr/bin/printf", "%.3s", large});
    BOOST_TEST(run(made).result == "xxx");
}

BOOST_AUTO_TEST_CASE(many_short_jobs_all_end_well_and_leave_no_descriptor_behind) {
    run(job({"true"}));
    BOOST_REQUIRE(comes_true([&] { return runner().under_way() == 0; }));
    const auto warden = std::to_string(runner().warden_pid());
    const auto mine = open_descriptors("self");
    const auto its = open_descriptors(warden);
    std::vector<attempt_ref> refs;
    for (int i = 0; i < 300; ++i) {
        auto made = i % 3 == 0 ? job({"no-such-program"}) : job({"true"});
        made.stdin_bytes = "x";
        refs.push_back(start(std::move(made)));
    }
    int succeeded = 0;
    for (const auto& ref : refs)
        if (outcome(ref).kind == outcome_kind::succeeded) ++succeeded;
    BOOST_TEST(succeeded == 200);
    BOOST_TEST(comes_true([&] { return open_descriptors("self") <= mine && open_descriptors(warden) <= its; }));
    BOOST_TEST(comes_true([&] { return fs::is_empty(work_root()); }));
}

BOOST_AUTO_TEST_CASE(more_attempts_than_the_bound_are_refused) {
    close();
    temporary_directory other;
    exec_config config;
    config.work_root = other.path();
    config.warden_program = coppice_program();
    config.attempts_max = 2;
    auto small = exec_runner::open(config, [](const std::vector<attempt_report>&) {});
    BOOST_REQUIRE(small.has_value());
    BOOST_TEST((*small)->start(job({"sleep", "1000"})).has_value());
    BOOST_TEST((*small)->start(job({"sleep", "1000"})).has_value());
    const auto third = (*small)->start(job({"sleep", "1000"}));
    BOOST_REQUIRE(!third.has_value());
    BOOST_TEST((third.error().code == errc::overloaded));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::exec_tests
