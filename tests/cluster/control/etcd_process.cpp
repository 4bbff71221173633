#include "tests/cluster/control/etcd_process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/control/control_fixture.hpp"

namespace coppice::testing {
namespace {

// What was written to `file` from `from` on.
std::string text_of(const std::string& file, std::size_t from) {
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str().substr(std::min(from, text.str().size()));
}

} // namespace

etcd_process::etcd_process(std::string scheme, std::vector<std::string> more)
    : scheme_(std::move(scheme)), more_(std::move(more)) {
    start();
}

void etcd_process::start() {
    const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
    std::vector<std::string> words{"etcd",
                                   "--name=one",
                                   "--data-dir=" + (directory_.path() / "data").string(),
                                   "--listen-client-urls=" + endpoint(),
                                   "--advertise-client-urls=" + endpoint(),
                                   "--listen-peer-urls=" + peer,
                                   "--initial-advertise-peer-urls=" + peer,
                                   "--initial-cluster=one=" + peer,
                                   "--initial-cluster-token=" + std::to_string(peer_port_),
                                   "--heartbeat-interval=20",
                                   "--election-timeout=200"};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string log = (directory_.path() / "log").string();
    const std::size_t logged = text_of(log, 0).size();
    pid_ = ::fork();
    BOOST_REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(fd, STDOUT_FILENO);
        ::dup2(fd, STDERR_FILENO);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    wait_until([&] { return text_of(log, logged).find("ready to serve client requests") != std::string::npos; },
               "etcd serves");
}

void etcd_process::kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void etcd_process::pause() {
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
}

void etcd_process::resume() { ::kill(pid_, SIGCONT); }

void etcd_process::wipe() {
    kill();
    std::filesystem::remove_all(directory_.path() / "data");
    peer_port_ = free_port(); // also its token, and so the cluster's id
    start();
}

void etcd_process::ctl(const std::string& arguments) const {
    const std::string command =
        "ETCDCTL_API=3 etcdctl --endpoints=" + endpoint() + " " + arguments + " >/dev/null 2>&1";
    BOOST_REQUIRE(std::system(command.c_str()) == 0); // NOLINT: a test's own words
}

} // namespace coppice::testing
