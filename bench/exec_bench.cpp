// The promise: at least 1,000 no-op subprocesses a second, from start to outcome, on a machine of two cores.
//   exec_bench [jobs] [slots] [program]        defaults: 5000 8 /bin/true
// The working directories lie under TMPDIR: on a tmpfs the figure is free of the disk.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/executors/exec_runner.hpp"

namespace {

using namespace coppice;

exec_job no_op(std::uint64_t number, const char* program) {
    exec_job job;
    job.work.ref = {job_id::make(1'700'000'000'000, shard_id{1}, tenant_id{1}, number), 1};
    job.work.tenant = "acme";
    job.work.type = "no-op";
    job.work.attempt_timeout = milliseconds{60'000};
    job.work.result_bytes_max = 1024;
    job.argv = {program};
    job.stdin_bytes = R"({"number":1})";
    return job;
}

int measure(std::uint64_t jobs, std::uint64_t slots, const char* program) {
    std::string directory = std::filesystem::temp_directory_path() / "exec_bench_XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) return 1;
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t ended = 0;
    std::uint64_t failed = 0;
    std::uint64_t batches = 0;
    exec_config config;
    config.work_root = directory;
    auto runner = exec_runner::open(config, [&](std::vector<attempt_report> reports) {
        const std::lock_guard lock(mutex);
        ++batches;
        for (const auto& report : reports) {
            if (!report.outcome) continue;
            ++ended;
            if (report.outcome->kind != outcome_kind::succeeded) ++failed;
        }
        changed.notify_one();
    });
    if (!runner) {
        std::fprintf(stderr, "%s\n", to_string(runner.error()).c_str());
        return 1;
    }
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < jobs; ++i) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return i - ended < slots; });
        lock.unlock();
        if (!(*runner)->start(no_op(i, program))) ++failed;
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ended == jobs; });
    lock.unlock();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    runner->reset();
    std::filesystem::remove_all(directory);
    std::printf("%s: %llu jobs, %llu slots, %.2f s, %.0f jobs/s, %.1f outcomes a batch, %llu failed\n", program,
                static_cast<unsigned long long>(jobs), static_cast<unsigned long long>(slots), took.count(),
                static_cast<double>(jobs) / took.count(), static_cast<double>(jobs) / static_cast<double>(batches),
                static_cast<unsigned long long>(failed));
    return failed == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == warden_subcommand) return warden_main(warden_socket);
    const auto number = [&](int index, std::uint64_t otherwise) {
        return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
    };
    return measure(number(1, 5000), number(2, 8), argc > 3 ? argv[3] : "/bin/true");
}
