// A real runner with a real warden in a directory of its own, and what its sink heard.
#pragma once

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/executors/exec_runner.hpp"

namespace coppice::exec_tests {

using namespace std::chrono_literals;

// The program that is the warden: $COPPICE_BIN, or `coppice` where the build puts it.
std::string coppice_program();

// Looks again until it is so; the pause is no synchronisation but politeness. False after a generous while.
bool comes_true(const std::function<bool()>& condition, std::chrono::seconds patience = 20s);

// A directory under /tmp that goes with its owner.
class temporary_directory {
  public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// Process ids of the living (no zombies) in whose environment `mark` occurs.
std::vector<int> processes_marked(const std::string& mark);
std::string command_line(int pid);
std::string read_whole(const std::string& path);
std::size_t open_descriptors(const std::string& pid);

// What was heard of one attempt.
struct heard {
    std::vector<log_line> logs;
    std::vector<progress> progresses;
    std::vector<attempt_outcome> outcomes;
    std::size_t reports = 0;
    std::size_t reports_after_outcome = 0;
};

class exec_fixture {
  public:
    exec_fixture();
    ~exec_fixture();

    exec_runner& runner() { return *runner_; }
    void reopen(); // destroys the runner and opens another one at the same place
    void close() { runner_.reset(); }
    const std::string& work_root() const { return work_root_; }
    const std::string& mark() const { return mark_; } // in the environment of every job

    exec_job job(std::vector<std::string> argv);
    exec_job shell(const std::string& script) { return job({"/bin/sh", "-c", script}); }
    attempt_ref start(exec_job made);

    // Waits for it; fails the test when it does not come.
    attempt_outcome outcome(const attempt_ref& ref);
    attempt_outcome run(exec_job made) { return outcome(start(std::move(made))); }
    heard of(const attempt_ref& ref);
    std::vector<std::string> texts(const attempt_ref& ref);
    bool hears(const attempt_ref& ref, const std::function<bool(const heard&)>& condition);

  private:
    void hear(std::vector<attempt_report> reports);

    temporary_directory directory_;
    std::string work_root_;
    std::string mark_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<attempt_ref, heard> heard_;
    std::uint64_t next_ = 1;
    std::unique_ptr<exec_runner> runner_;
};

} // namespace coppice::exec_tests
