#include "tests/runtime/executors/exec_fixture.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/sanitized.hpp"

namespace coppice::exec_tests {

namespace fs = std::filesystem;

std::string coppice_program() {
    if (const char* named = std::getenv("COPPICE_BIN")) return named;
    return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "coppice";
}

bool comes_true(const std::function<bool()>& condition, std::chrono::seconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

temporary_directory::temporary_directory() {
    char name[] = "/tmp/coppice_exec_XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string read_whole(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return std::move(text).str();
}

std::vector<int> processes_marked(const std::string& mark) {
    std::vector<int> pids;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const int pid = std::atoi(entry.path().filename().c_str());
        if (pid > 0 && read_whole(entry.path() / "environ").find(mark) != std::string::npos) pids.push_back(pid);
    }
    return pids;
}

std::string command_line(int pid) {
    auto text = read_whole("/proc/" + std::to_string(pid) + "/cmdline");
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
}

std::size_t open_descriptors(const std::string& pid) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/" + pid + "/fd")) ++count;
    return count;
}

exec_fixture::exec_fixture() : work_root_(directory_.path() + "/work") {
    static std::atomic<int> fixtures{0};
    mark_ = "mark-" + std::to_string(::getpid()) + "-" + std::to_string(++fixtures);
    reopen();
}

exec_fixture::~exec_fixture() { runner_.reset(); }

void exec_fixture::reopen() {
    runner_.reset();
    exec_config config;
    config.work_root = work_root_;
    config.warden_program = coppice_program();
    auto opened =
        exec_runner::open(config, [this](std::vector<attempt_report> reports) { hear(std::move(reports)); });
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : to_string(opened.error())));
    runner_ = std::move(*opened);
}

void exec_fixture::hear(std::vector<attempt_report> reports) {
    const std::lock_guard lock(mutex_);
    for (auto& report : reports) {
        auto& one = heard_[report.ref];
        ++one.reports;
        if (!one.outcomes.empty()) ++one.reports_after_outcome;
        std::move(report.logs.begin(), report.logs.end(), std::back_inserter(one.logs));
        if (report.latest_progress) one.progresses.push_back(*report.latest_progress);
        if (report.outcome) one.outcomes.push_back(*report.outcome);
    }
    changed_.notify_all();
}

exec_job exec_fixture::job(std::vector<std::string> argv) {
    exec_job made;
    made.work.ref = {job_id::make(1'700'000'000'000, shard_id{1}, tenant_id{1}, next_++), 1};
    made.work.tenant = mark_;
    made.work.type = "test";
    made.work.attempt_timeout = 60s;
    made.work.cancel_grace = 10s;
    made.work.result_bytes_max = 64 * 1024;
    made.argv = std::move(argv);
    if (testing::sanitized) made.rlimits.address_space_bytes = 0;
    return made;
}

attempt_ref exec_fixture::start(exec_job made) {
    const auto ref = made.work.ref;
    const auto started = runner_->start(std::move(made));
    BOOST_REQUIRE_MESSAGE(started.has_value(), (started ? "" : to_string(started.error())));
    return ref;
}

bool exec_fixture::hears(const attempt_ref& ref, const std::function<bool(const heard&)>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return condition(heard_[ref]); });
}

attempt_outcome exec_fixture::outcome(const attempt_ref& ref) {
    BOOST_REQUIRE(hears(ref, [](const heard& one) { return !one.outcomes.empty(); }));
    return of(ref).outcomes.front();
}

heard exec_fixture::of(const attempt_ref& ref) {
    const std::lock_guard lock(mutex_);
    return heard_[ref];
}

std::vector<std::string> exec_fixture::texts(const attempt_ref& ref) {
    std::vector<std::string> all;
    for (const auto& line : of(ref).logs) all.push_back(line.text);
    return all;
}

} // namespace coppice::exec_tests
