#include "tests/end_to_end/node_process.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace coppice {
namespace {

std::string read_file(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

int exit_status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Starts a program with its streams on files; gives the pid.
int spawn(const std::vector<std::string>& argv, const std::vector<std::string>& env,
          const std::filesystem::path& in, const std::filesystem::path& out, const std::filesystem::path& err) {
    std::vector<std::string> environment = env;
    environment.push_back("PATH=" + std::string{std::getenv("PATH")});
    std::vector<char*> args, vars;
    for (const std::string& a : argv) args.push_back(const_cast<char*>(a.c_str()));
    for (const std::string& v : environment) vars.push_back(const_cast<char*>(v.c_str()));
    args.push_back(nullptr);
    vars.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::dup2(::open(in.c_str(), O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
    ::execve(args[0], args.data(), vars.data());
    ::_exit(127);
}

std::filesystem::path fresh_directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "coppice-e2e-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    return pattern;
}

std::string after(const std::string& text, const std::string& mark) {
    const auto at = text.find(mark);
    if (at == std::string::npos) return {};
    const auto begin = at + mark.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

} // namespace

std::string coppice_binary() {
    if (const char* given = std::getenv("COPPICE_BIN")) return given;
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "coppice";
}

finished_command run_command(const std::vector<std::string>& argv, const std::vector<std::string>& env,
                             const std::string& input) {
    const auto directory = fresh_directory();
    std::ofstream{directory / "in"} << input;
    const int pid = spawn(argv, env, directory / "in", directory / "out", directory / "err");
    int status = 0;
    ::waitpid(pid, &status, 0);
    finished_command done{exit_status_of(status), read_file(directory / "out"), read_file(directory / "err")};
    std::filesystem::remove_all(directory);
    return done;
}

node_process::node_process() : root_(fresh_directory()), data_(root_ / "data") {}

node_process::~node_process() {
    if (running()) kill(SIGKILL);
    std::filesystem::remove_all(root_);
}

void node_process::start(const std::vector<std::string>& more) {
    std::vector<std::string> argv{coppice_binary(), "serve",    "--dev",       "--data",
                                  data_.string(),   "--listen", "127.0.0.1:0", "--metrics-listen",
                                  "127.0.0.1:0"};
    argv.insert(argv.end(), more.begin(), more.end());
    std::filesystem::remove(root_ / "serve.out"); // of an earlier life
    pid_ = spawn(argv, {}, "/dev/null", root_ / "serve.out", root_ / "serve.err");
    for (;;) {
        const std::string said = read_file(root_ / "serve.out");
        address_ = after(said, "coppice: serving on ");
        metrics_address_ = after(said, "coppice: metrics on ");
        if (!metrics_address_.empty()) return;
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error("the node ended: " + log());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
}

void node_process::kill(int signal) {
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

std::vector<std::string> node_process::environment() const {
    std::string token = read_file(data_ / "operator.token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    return {"COPPICE_SERVER=" + address_, "COPPICE_TOKEN=" + token};
}

finished_command node_process::command(std::vector<std::string> args, const std::string& input) const {
    args.insert(args.begin(), coppice_binary());
    return run_command(args, environment(), input);
}

std::string node_process::log() const { return read_file(root_ / "serve.err"); }

} // namespace coppice
