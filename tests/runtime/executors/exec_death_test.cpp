// What is left when the node, or its warden, dies without a word.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "runtime/executors/warden_link.hpp"
#include "runtime/executors/warden_protocol.hpp"
#include "tests/runtime/executors/exec_fixture.hpp"

namespace coppice::exec_tests {

namespace {

namespace fs = std::filesystem;

constexpr const char* node_directory = "COPPICE_EXEC_TEST_NODE";
constexpr const char* node_case = "exec_deaths/a_node_that_waits_to_be_killed";

const std::vector<std::string> stubborn_scripts{
    "sleep 1000 & sleep 1000",
    "trap '' TERM HUP INT; sleep 1000 & sleep 1000",
    "setsid sleep 1000 & sleep 1000",
    "(setsid sh -c 'sleep 1000 & setsid sleep 1000' &); sleep 1000",
};
constexpr std::size_t sleeps_expected = 9;

std::size_t sleeping(const std::string& mark) {
    const auto pids = processes_marked(mark);
    return static_cast<std::size_t>(
        std::count_if(pids.begin(), pids.end(), [](int pid) { return command_line(pid) == "sleep 1000 "; }));
}

pid_t spawn_node(const std::string& directory) {
    ::setenv(node_directory, directory.c_str(), 1);
    ::setenv("COPPICE_BIN", coppice_program().c_str(), 1);
    std::string program = "/proc/self/exe";
    std::string which = std::string("--run_test=") + node_case;
    char* argv[] = {program.data(), which.data(), nullptr};
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv, environ);
    ::unsetenv(node_directory);
    BOOST_REQUIRE(error == 0);
    return pid;
}

} // namespace

BOOST_AUTO_TEST_SUITE(exec_deaths)

// Not a test: the process that the next test kills. It says its mark in a file and never ends by itself.
BOOST_AUTO_TEST_CASE(a_node_that_waits_to_be_killed, *boost::unit_test::disabled()) {
    const char* directory = std::getenv(node_directory);
    if (directory == nullptr) return;
    const std::string mark = directory;
    exec_config config;
    config.work_root = mark + "/work";
    config.warden_program = coppice_program();
    auto runner = exec_runner::open(config, [](const std::vector<attempt_report>&) {});
    if (!runner) ::_exit(1);
    std::uint64_t number = 1;
    for (const auto& script : stubborn_scripts) {
        exec_job job;
        job.work.ref = {job_id::make(1, shard_id{1}, tenant_id{1}, number++), 1};
        job.work.tenant = mark;
        job.argv = {"/bin/sh", "-c", script};
        if (!(*runner)->start(job)) ::_exit(1);
    }
    for (;;) ::pause();
}

BOOST_AUTO_TEST_CASE(a_node_killed_with_sigkill_leaves_no_process_running) {
    temporary_directory directory;
    const pid_t node = spawn_node(directory.path());
    const bool all_up = comes_true([&] { return sleeping(directory.path()) == sleeps_expected; });
    ::kill(node, SIGKILL);
    ::waitpid(node, nullptr, 0);
    BOOST_TEST(all_up);
    // The warden too has the mark in its environment: it is gone as well.
    BOOST_TEST(comes_true([&] { return processes_marked(directory.path()).empty(); }));
    // And the next life takes the work root over and clears it.
    exec_config config;
    config.work_root = directory.path() + "/work";
    config.warden_program = coppice_program();
    auto next = exec_runner::open(config, [](const std::vector<attempt_report>&) {});
    BOOST_REQUIRE(next.has_value());
    BOOST_TEST(comes_true([&] { return fs::is_empty(config.work_root); }));
}

BOOST_AUTO_TEST_CASE(destroying_the_runner_leaves_no_process_running) {
    exec_fixture fixture;
    for (const auto& script : stubborn_scripts) fixture.start(fixture.shell(script));
    BOOST_TEST(comes_true([&] { return sleeping(fixture.mark()) == sleeps_expected; }));
    fixture.close();
    BOOST_TEST(processes_marked(fixture.mark()).empty());
}

BOOST_AUTO_TEST_CASE(a_killed_warden_loses_its_attempts_and_is_replaced) {
    exec_fixture fixture;
    const auto ref = fixture.start(fixture.shell("sleep 1000 & echo up >&2; sleep 1000"));
    BOOST_TEST(fixture.hears(ref, [](const heard& one) { return !one.logs.empty(); }));
    const int first = fixture.runner().warden_pid();
    BOOST_REQUIRE(first > 0);
    ::kill(first, SIGKILL);
    BOOST_TEST((fixture.outcome(ref).kind == outcome_kind::lost));
    BOOST_TEST(comes_true([&] { return processes_marked(fixture.mark()).empty(); }));
    BOOST_TEST(
        comes_true([&] { return fixture.runner().warden_pid() > 0 && fixture.runner().warden_pid() != first; }));
    BOOST_TEST((fixture.run(fixture.job({"true"})).kind == outcome_kind::succeeded));
}

BOOST_AUTO_TEST_CASE(a_warden_that_keeps_dying_is_given_up_with_an_answer) {
    exec_fixture fixture;
    int last = -1;
    for (std::size_t i = 0; i <= limits::exec_warden_restarts_max; ++i) {
        BOOST_REQUIRE(comes_true([&] { return fixture.runner().warden_pid() != last; }));
        last = fixture.runner().warden_pid();
        BOOST_REQUIRE(last > 0);
        ::kill(last, SIGKILL);
    }
    BOOST_TEST(comes_true([&] { return fixture.runner().warden_pid() < 0; }));
    const auto refused = fixture.runner().start(fixture.job({"true"}));
    BOOST_REQUIRE(!refused.has_value());
    BOOST_TEST((refused.error().code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_program_that_is_no_warden_is_told_at_open_or_by_lost_attempts) {
    temporary_directory directory;
    exec_config config;
    config.work_root = directory.path();
    config.warden_program = "/no/such/program";
    const auto opened = exec_runner::open(config, [](const std::vector<attempt_report>&) {});
    BOOST_REQUIRE(!opened.has_value());
    BOOST_TEST((opened.error().code == errc::unavailable));
    BOOST_TEST(opened.error().detail.find("/no/such/program") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_warden_that_hears_nonsense_kills_everything_and_goes) {
    using namespace executors;
    temporary_directory mark;
    auto link = warden_link::launch(coppice_program(), {"coppice", warden_subcommand});
    BOOST_REQUIRE(link.has_value());
    spawn_request request;
    request.token = 7;
    request.program = "/bin/sleep";
    request.directory = "/";
    request.argv = {"sleep", "1000"};
    request.env = {"MARK=" + mark.path()};
    request.rlimits = {0, 0, 0, 0};
    const auto null = [] { return unique_fd(::open("/dev/null", O_RDWR | O_CLOEXEC)); };
    BOOST_TEST(link->spawn(request, {null(), null(), null()}) == 0);
    BOOST_TEST(comes_true([&] { return processes_marked(mark.path()).size() == 1; }));
    BOOST_REQUIRE(::send(link->fd(), "nonsense", 8, MSG_NOSIGNAL) == 8);
    std::vector<warden_event> events;
    BOOST_TEST(comes_true([&] { return !link->receive(events, 10); }));
    BOOST_TEST(processes_marked(mark.path()).empty());
}

BOOST_AUTO_TEST_CASE(a_request_reads_back_and_no_mutilated_one_does) {
    using namespace executors;
    spawn_request request;
    request.token = 9;
    request.program = "/bin/x";
    request.directory = "/tmp";
    request.argv = {"x", "", "two words"};
    request.env = {"A=b"};
    const auto packet = encode(request);
    const auto view = decode_request(packet);
    BOOST_REQUIRE(view.has_value());
    BOOST_TEST(view->token == 9U);
    BOOST_TEST(view->program == std::string("/bin/x"));
    BOOST_TEST(view->directory == std::string("/tmp"));
    BOOST_REQUIRE(view->argv.size() == 4U);
    BOOST_TEST(view->argv[2] == std::string("two words"));
    BOOST_TEST(view->argv[3] == nullptr);
    BOOST_TEST((view->rlimits == request.rlimits));
    for (std::size_t size = 0; size < packet.size(); ++size)
        BOOST_TEST(!decode_request(std::string_view(packet).substr(0, size)).has_value());
    BOOST_TEST(!decode_request(packet + "more").has_value());
    BOOST_TEST(!decode_request(encode_signal(1, 0)).has_value());
    BOOST_TEST(!decode_request(encode_signal(1, 65)).has_value());
    BOOST_TEST(decode_request(encode_signal(1, 15)).has_value());
    BOOST_TEST(decode_request(encode_release(1)).has_value());
    BOOST_TEST(!decode_request(std::string(limits::exec_request_size_max + 1, '\0')).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::exec_tests
