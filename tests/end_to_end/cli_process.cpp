#include "tests/end_to_end/cli_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace coppice::end_to_end {

bool eventually(const std::function<bool()>& is_so) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!is_so()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return true;
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

scratch_directory::scratch_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coppice-e2e-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}

scratch_directory::~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string scratch_directory::write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
}

process::process(options chosen) {
    int pipe_ends[2] = {-1, -1};
    if (chosen.open_stdin) BOOST_REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    const std::string input = files_.write("in", chosen.input);
    const std::string out = (files_ / "out").string();
    const std::string err = (files_ / "err").string();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (chosen.open_stdin)
        posix_spawn_file_actions_adddup2(&actions, pipe_ends[0], 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
    if (chosen.out_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, chosen.out_fd, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);

    std::vector<std::string> env_texts{"PATH=/usr/bin:/bin"};
    for (const auto& [name, value] : chosen.env) env_texts.push_back(name + "=" + value);
    std::vector<char*> env, argv;
    for (std::string& text : env_texts) env.push_back(text.data());
    for (std::string& text : chosen.argv) argv.push_back(text.data());
    env.push_back(nullptr);
    argv.push_back(nullptr);
    const int failed = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), env.data());
    posix_spawn_file_actions_destroy(&actions);
    if (chosen.open_stdin) ::close(pipe_ends[0]);
    stdin_ = pipe_ends[1];
    BOOST_REQUIRE_EQUAL(failed, 0);
}

process::process(const std::function<int()>& body) {
    pid_ = ::fork();
    BOOST_REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 125;
    try {
        status = body();
    } catch (...) { // nothing may unwind into the copy of the test program
    }
    ::_exit(status);
}

process::~process() {
    close_stdin();
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    // A node that was built with a sanitizer tells its own log, which nobody would read.
    const std::string said = err();
    if (const auto at = std::min(said.find("Sanitizer"), said.find(": runtime error: ")); at != std::string::npos)
        BOOST_ERROR(said.substr(at, 8000));
}

void process::write(std::string_view text) const {
    BOOST_REQUIRE(::write(stdin_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void process::close_stdin() {
    if (stdin_ >= 0) ::close(stdin_);
    stdin_ = -1;
}

void process::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

bool process::ended() {
    if (pid_ <= 0) return true;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    pid_ = -1;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return true;
}

int process::wait() {
    eventually([this] { return ended(); });
    return status_;
}

int process::kill(int number) {
    signal(number);
    return wait();
}

std::string process::out() const { return read_file(files_ / "out"); }
std::string process::err() const { return read_file(files_ / "err"); }

std::string account_of(std::size_t node, const std::optional<outcome>& said, const std::string& logged) {
    constexpr std::size_t log_end = 4000;
    return "\n---- node " + std::to_string(node) + (said ? "\n" + said->out + said->err : ", not running\n") +
           logged.substr(logged.size() - std::min(logged.size(), log_end));
}

std::string program() {
    if (const char* path = ::getenv("COPPICE_BIN")) return path;
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "coppice";
}

namespace {

// What stands behind `prefix` in a whole line of `text`; empty when there is none yet.
std::string line_after(const std::string& text, const std::string& prefix) {
    const auto at = text.find(prefix);
    const auto end = text.find('\n', at);
    if (at == std::string::npos || end == std::string::npos) return {};
    return text.substr(at + prefix.size(), end - at - prefix.size());
}

} // namespace

node::node(node_options chosen) : chosen_(std::move(chosen)) {
    if (chosen_.data.empty()) chosen_.data = directory_ / "data";
    serve();
    // What --dev declares is declared by a message, stored, and then in force: calls that go by it are taken.
    if (chosen_.development)
        BOOST_REQUIRE(eventually([this] {
            return run({"job", "list", "--tenant", "default", "--type", "exec"}).status == 0;
        }));
}

node::~node() { stop(); }

void node::serve() {
    std::vector<std::string> argv{program(),  "serve",  "--data",           data().string(),
                                  "--listen", address_, "--metrics-listen", metrics_address_};
    if (chosen_.development) argv.emplace_back("--dev");
    argv.insert(argv.end(), chosen_.flags.begin(), chosen_.flags.end());
    process_ = std::make_unique<process>(process::options{.argv = std::move(argv)});
    bool serving = false;
    eventually([&] {
        const bool ended = process_->ended(); // asked first: all that it said is there then
        const std::string said = process_->out();
        const std::string rpc = line_after(said, "coppice: serving on ");
        const std::string metrics = line_after(said, "coppice: metrics on ");
        serving = !rpc.empty() && !metrics.empty();
        if (serving) address_ = rpc, metrics_address_ = metrics;
        return serving || ended;
    });
    BOOST_REQUIRE_MESSAGE(serving, "the node did not come up: " << process_->err());
}

void node::signal(int number) const { process_->signal(number); }

int node::kill(int signal) {
    if (!process_) return -1000;
    const int status = process_->kill(signal);
    earlier_log_ += process_->err();
    process_.reset();
    return status;
}

void node::start_again() { serve(); }

std::string node::log() const { return process_ ? earlier_log_ + process_->err() : earlier_log_; }

environment node::operator_env() const {
    environment env{{"COPPICE_SERVER", address_}, {"COPPICE_TOKEN_FILE", (data() / "operator.token").string()}};
    env.insert(env.end(), chosen_.client_env.begin(), chosen_.client_env.end());
    return env;
}

outcome node::run(std::vector<std::string> arguments, std::string input) const {
    arguments.insert(arguments.begin(), program());
    process p({.argv = std::move(arguments), .env = operator_env(), .input = std::move(input)});
    const int status = p.wait();
    return {status, p.out(), p.err()};
}

outcome node::run_as(const environment& env, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program());
    process p({.argv = std::move(arguments), .env = env});
    const int status = p.wait();
    return {status, p.out(), p.err()};
}

std::unique_ptr<process> node::start(std::vector<std::string> arguments, bool open_stdin, int out_fd) const {
    arguments.insert(arguments.begin(), program());
    return std::make_unique<process>(process::options{
        .argv = std::move(arguments), .env = operator_env(), .open_stdin = open_stdin, .out_fd = out_fd});
}

nlohmann::json job_of(const node& n, const std::string& id) {
    const outcome got = n.run({"job", "get", id, "-o", "json"});
    BOOST_REQUIRE_MESSAGE(got.status == 0, got.err);
    return nlohmann::json::parse(got.out);
}

bool reaches(const node& n, const std::string& id, const std::string& status) {
    return eventually([&] { return job_of(n, id)["status"] == status; });
}

void declare(const node& n, const std::string& documents) {
    const outcome applied = n.run({"apply", "-f", "-"}, documents);
    BOOST_TEST_CONTEXT(applied.err) BOOST_REQUIRE_EQUAL(applied.status, 0);
}

} // namespace coppice::end_to_end
