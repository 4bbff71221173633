#include "bench/node/node_under_test.hpp"

#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
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

expected<void> declare_for_bench(const client::options& at) {
    client::blocking_client node(at);
    const auto applied = node.apply({{"bench.yaml", declarations}});
    if (!applied) return tl::unexpected(applied.error());
    if (!applied->errors.empty()) return fail(errc::document_invalid, applied->errors.front().message);
    return {};
}

node_under_test::node_under_test(std::filesystem::path binary, const std::filesystem::path& where)
    : binary_(std::move(binary)), root_(make_own_directory(where)) {}

node_under_test::~node_under_test() {
    kill();
    std::filesystem::remove_all(root_);
}

expected<void> node_under_test::start() {
    if (auto ok = spawn("127.0.0.1:0"); !ok) return ok;
    if (auto ok = wait_listening(); !ok) return ok;
    return declare_for_bench(connect());
}

expected<void> node_under_test::restart() { return spawn(address_); }

expected<void> node_under_test::spawn(const std::string& listen) {
    std::filesystem::remove(root_ / "out"); // of an earlier life
    const auto pid = bench::spawn(
        {binary_, "serve", "--dev", "--data", root_ / "data", "--listen", listen, "--metrics-listen=127.0.0.1:0"},
        root_ / "out", root_ / "err");
    if (!pid) return tl::unexpected(pid.error());
    pid_ = *pid;
    return {};
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

client::bench_options load_on(const node_under_test& node, std::string type, std::string tenant) {
    client::bench_options load;
    load.where = node.connect();
    load.tenant = std::move(tenant);
    load.type = std::move(type);
    return load;
}

void node_under_test::kill() { end_process(pid_, SIGKILL); }

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
