#include "bench/node/node_under_test.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "runtime/client/blocking_client.hpp"

namespace coppice::bench {
namespace {

constexpr const char* declarations = R"(
kind: JobType
metadata: {name: noop}
spec: {executor: worker}
---
kind: JobType
metadata: {name: idle}
spec: {executor: worker}
---
kind: Tenant
metadata: {name: bench}
spec: {queued_max: 20000000, running_max: 1000000, types: [noop, idle]}
)";
constexpr std::string_view listening_words = "coppice: serving on ";
constexpr milliseconds look_again{1};
constexpr auto start_patience = std::chrono::seconds{120};

std::string read_file(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

} // namespace

std::filesystem::path disk_directory() {
    auto usual = std::filesystem::temp_directory_path();
    struct statfs about {};
    if (::statfs(usual.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC) return "/var/tmp";
    return usual;
}

node_under_test::node_under_test(std::filesystem::path binary, const std::filesystem::path& where)
    : binary_(std::move(binary)) {
    std::string pattern = where / "coppice-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    root_ = pattern;
}

node_under_test::~node_under_test() {
    kill();
    std::filesystem::remove_all(root_);
}

expected<void> node_under_test::start() {
    if (auto ok = spawn("127.0.0.1:0"); !ok) return ok;
    if (auto ok = wait_listening(); !ok) return ok;
    client::blocking_client node(connect());
    const auto applied = node.apply({{"bench.yaml", declarations}});
    if (!applied) return tl::unexpected(applied.error());
    if (!applied->errors.empty()) return fail(errc::document_invalid, applied->errors.front().message);
    return {};
}

expected<void> node_under_test::restart() { return spawn(address_); }

expected<void> node_under_test::spawn(const std::string& listen) {
    const std::string data = root_ / "data";
    const std::string out = root_ / "out", err = root_ / "err";
    std::filesystem::remove(out); // of an earlier life
    std::array<const char*, 9> argv{binary_.c_str(), "serve",        "--dev", "--data", data.c_str(),
                                    "--listen",      listen.c_str(), nullptr, nullptr};
    argv[7] = "--metrics-listen=127.0.0.1:0";
    pid_ = ::fork();
    if (pid_ < 0) return fail(errc::unavailable, "fork");
    if (pid_ > 0) return {};
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
    ::execv(argv[0], const_cast<char* const*>(argv.data()));
    ::_exit(127);
}

expected<void> node_under_test::wait_listening() {
    for (const auto begin = steady::now(); steady::now() - begin < start_patience;) {
        const std::string said = read_file(root_ / "out");
        const auto at = said.find(listening_words);
        const auto end = at == std::string::npos ? at : said.find('\n', at);
        if (end != std::string::npos) {
            const auto from = at + listening_words.size();
            address_ = said.substr(from, end - from);
            return {};
        }
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return fail(errc::unavailable, "the node ended: " + log());
        }
        std::this_thread::sleep_for(look_again);
    }
    return fail(errc::unavailable, "the node does not listen: " + log());
}

void node_under_test::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

client::options node_under_test::connect() const {
    client::options where;
    where.server = address_;
    where.token_file = root_ / "data" / "operator.token";
    return where;
}

std::uint64_t node_under_test::anonymous_kib() const {
    std::ifstream status{"/proc/" + std::to_string(pid_) + "/status"};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
    return 0;
}

std::string node_under_test::log() const { return read_file(root_ / "err"); }

} // namespace coppice::bench
